import './quick.js'
import { expect, test } from 'vitest'
import { amount, diceFor, isDeep, seedFor, tally } from '../../../support/amount.js'
import { checkKills, checkMerge } from './crash-checker.js'
import { endingSoon, evenSeconds } from './scene.js'
import type { Effort, MergeCase, Report } from './story.js'

// Every state in which a power failure may leave the disk of an in-place merge: what a guest reads, what the kernel
// lets in, and what becomes of it when the merge is resumed or abandoned there. See crash-checker.ts.

const effort: Effort = amount({
  quick: { limit: 5, samples: 2, between: 0, again: 20, oneIn: 2 },
  deep: { limit: 96, samples: 34, between: 1, again: 240 },
})

const killEffort: Effort = amount({
  quick: { limit: 4, samples: 1, between: 0, again: 0 },
  deep: { limit: 96, samples: 34, between: 0, again: 0 },
})

/** A case of every subset has this many of each prefix. */
const subsets = amount({ quick: 128, deep: 4096 })

const large = 160 * 1024
const odd = 66_000
const oddSector = 64 * 1024 + 3 * 512

const cases: readonly (MergeCase & { readonly effort?: Partial<Effort> })[] = [
  { name: 'plain', seed: 1, arrivalsEvery: 3 },
  {
    name: 'few sectors: every subset of them',
    seed: 9,
    sectors: 2,
    effort: { limit: subsets, between: 0, again: 100 },
  },
  { name: 'siblings', seed: 2, siblings: true, virtualSize: large, arrivalsEvery: 9 },
  { name: 'reset', seed: 3, siblings: true, apart: true, afterwards: 'reset', arrivalsEvery: 5 },
  { name: 'delete', seed: 4, siblings: true, afterwards: 'delete', virtualSize: odd },
  { name: 'leave', seed: 5, siblings: true, apart: true, afterwards: 'leave', virtualSize: oddSector },
  { name: 'undo overlay', seed: 6, siblings: true, apart: true, backup: true, arrivalsEvery: 7 },
  { name: 'undo overlay, reset, verify', seed: 7, backup: true, afterwards: 'reset', verify: true },
  { name: 'a jail', seed: 20, siblings: true, jail: true, effort: { limit: 12, samples: 4, between: 0, again: 0 } },
  { name: 'names in any order', seed: 19, apart: true, afterwards: 'reset', effort: { anyNames: true } },
  { name: 'image and overlays of this second', seed: 8, siblings: true, age: 0, arrivalsEvery: 2, tickPerCall: 40 },
  { name: 'a stale header of the next second', seed: 10, siblings: true, age: 1, staleBy: 2, arrivalsEvery: 3 },
  { name: 'headers of the future', seed: 11, siblings: true, age: -1000, afterwards: 'reset', arrivalsEvery: 3 },
  { name: 'a stale header of the future', seed: 12, staleBy: 2000, arrivalsEvery: 3, backup: true },
  { name: 'headers of the near future', seed: 13, siblings: true, age: -3, arrivalsEvery: 3, tickPerCall: 60 },
  {
    name: 'even seconds, image and overlays of this second',
    seed: 25,
    siblings: true,
    age: 0,
    staleBy: 2,
    arrivalsEvery: 3,
    tickPerCall: 40,
    keptTime: evenSeconds,
    sectors: 8,
  },
  { name: 'a stale header beyond all times', seed: 26, staleBy: 3000, arrivalsEvery: 3, keptTime: endingSoon },
  {
    name: 'new overlays among the siblings',
    seed: 14,
    siblings: true,
    apart: true,
    arrivalsEvery: 9,
    arrivalsSeen: true,
  },
  {
    name: 'version 1 and siblings of version 2',
    seed: 15,
    siblings: true,
    version: 1,
    siblingVersion: 2,
    virtualSize: odd,
  },
  {
    name: 'version 2 and siblings of version 1',
    seed: 16,
    siblings: true,
    version: 2,
    siblingVersion: 1,
    afterwards: 'reset',
  },
  { name: 'version 3 and siblings of version 1', seed: 17, siblings: true, siblingVersion: 1, virtualSize: odd },
  { name: 'version 1 with an undo overlay', seed: 18, version: 1, backup: true, afterwards: 'reset', virtualSize: odd },
]

/** `every`: so many effects lie between one kill and the next. */
const kills: readonly (MergeCase & { readonly every: number })[] = [
  { name: 'plain', seed: 21, every: 1 },
  { name: 'siblings and reset', seed: 22, siblings: true, apart: true, afterwards: 'reset', sectors: 4, every: 5 },
  { name: 'delete', seed: 23, apart: true, afterwards: 'delete', sectors: 8, every: 3 },
  { name: 'undo overlay and leave', seed: 24, apart: true, afterwards: 'leave', backup: true, sectors: 8, every: 5 },
]

const total = { cases: 0, states: 0, distinct: 0 }

function note(what: string, report: Report): void {
  expect(report.violations).toEqual([])
  total.cases++
  total.states += report.states
  total.distinct += report.distinct
  tally(what, report.states, { distinct: report.distinct, cases: 1 })
}

/** In a quick run the dice choose half of the prefixes, the states, and two of the cases in which a prefix may end anywhere. */
const dice = diceFor('crash states')
const eligible = cases.filter(({ effort }) => effort?.between === undefined)
const first = dice.pick(eligible)
const anywhere = [first, dice.pick(eligible.filter((which) => which !== first))]

test.each(cases)('$name', async (which) => {
  const between = isDeep || anywhere.includes(which) ? 1 : 0
  const seed = amount({ quick: seedFor(which.name), deep: which.seed })
  note('crash states of a merge', await checkMerge(which, { ...effort, between, seed, ...which.effort }))
})

// A killed process leaves the page cache behind: what it has not synced is there for the resume, and the power may fail
// after that.
test.each(kills)('killed, resumed, then the power fails: $name', async (which) => {
  const every = amount({ quick: which.every * 4 + 1, deep: 1 })
  note('crash states of a resumed merge', await checkKills(which, { ...killEffort, seed: seedFor(which.name) }, every))
})

// Not there in a quick run: a test that is skipped is one that wants tools.
if (isDeep) {
  test('these were more than 20,000 states', ({ skip }) => {
    skip(total.cases < cases.length + kills.length, 'not all of them were looked at')
    expect(total.states).toBeGreaterThan(20_000)
    // Nothing else can come of the same state again, so it is looked at once.
    expect(total.distinct).toBeGreaterThan(9000)
  })
}
