import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Ext4Scene, makeExt4Scene, readThrough, sceneMtime } from '../support/ext4-scene.js'
import { createDice } from '../support/generate.js'
import { copyDirectory, eachOf, type KilledIn, killedIn, type Limit, timeUmlcow } from '../support/killed-runs.js'
import { KilledMerge, type Variant } from '../support/merge-to-kill.js'
import { mergeNaively } from '../support/naive.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const variants: Variant[] = [
  { name: 'plain', args: [], siblingCount: 0 },
  { name: 'reset', args: ['--reset'], siblingCount: 0 },
  { name: 'siblings', args: ['--keep-siblings'], siblingCount: 2 },
  { name: 'backup', args: ['--backup', 'undo'], siblingCount: 0 },
  { name: 'delete', args: ['--delete'], siblingCount: 0 },
  { name: 'verify', args: ['--verify'], siblingCount: 0 },
]

const killCount = 504
/** Killed one after another before they are resumed one after another: meanwhile seconds pass that a resume waits for. */
const batchSize = 24
/** Every so many merges are killed anywhere, most of them before they have begun; the others after. */
const anywhereEvery = 4

type Times = Record<Limit['from'], number>

/** How long an undisturbed merge takes when two run at once: the median of five. */
async function timesOf(make: (i: number) => Promise<KilledMerge>): Promise<Times> {
  const times: Times[] = []
  await eachOf([0, 1, 2, 3, 4], 2, async (i) => {
    const one = await make(i)
    times.push(await timeUmlcow(one.mergeArgs, one.directory))
    await one.expectEnd('undisturbed', true)
    rmSync(one.directory, { recursive: true })
  })
  const median = (from: Limit['from']) => times.map((one) => one[from]).sort((a, b) => a - b)[2]!
  return { start: median('start'), journal: median('journal') }
}

interface Killed {
  readonly merge: KilledMerge
  readonly label: string
}

/** Kills, counted by where they hit. */
type Hits = Record<KilledIn, number>

describe.runIf(havePeers('/usr/sbin/mkfs.ext4', '/usr/sbin/e2fsck'))('a merge in place that is killed', () => {
  it(`at any of ${killCount} instants, and resumed, ends as if nothing had been`, async () => {
    const top = temporaryDirectory()
    const shape = { virtualSize: 16 * 2 ** 20, dataLength: 4 * 2 ** 20 }
    const scenes = [0, 2].map((siblingCount) =>
      makeExt4Scene(path.join(top, `template${siblingCount}`), { ...shape, siblingCount }),
    )
    for (const scene of scenes) expectSameAsNaive(scene)
    const make = async (variant: Variant, i: number): Promise<KilledMerge> => {
      const scene = scenes[variant.siblingCount === 0 ? 0 : 1]!
      const directory = path.join(top, `${variant.name}${i}`)
      await copyDirectory(scene.directory, directory)
      return new KilledMerge(directory, variant, scene)
    }
    const times = new Map<Variant, Times>()
    for (const variant of variants) times.set(variant, await timesOf((i) => make(variant, i)))

    const dice = createDice(2023)
    const limitOf = (variant: Variant, from: Limit['from']): Limit => {
      return { from, milliseconds: (dice.below(1_000_000) / 1_000_000) * times.get(variant)![from] }
    }
    const hits: Hits = { nothing: 0, preparing: 0, writing: 0, finished: 0 }
    const resumeHits: Hits = { nothing: 0, preparing: 0, writing: 0, finished: 0 }
    const count = (one: Killed, counted: Hits) => {
      const where = killedIn(one.merge.directory, sceneMtime)
      counted[where]++
      one.merge.expectRightReads(one.label)
      return where
    }

    const untouched: KilledMerge[] = []
    const kill = async (i: number): Promise<Killed> => {
      const variant = variants[i % variants.length]!
      const again = untouched.findIndex((one) => one.variant === variant)
      const merge = again < 0 ? await make(variant, i) : untouched.splice(again, 1)[0]!
      const limit = limitOf(variant, Math.floor(i / variants.length) % anywhereEvery === 0 ? 'start' : 'journal')
      await merge.merge(limit)
      return { merge, label: `${variant.name}, ${i}, killed ${limit.milliseconds.toFixed(1)} ms after ${limit.from}` }
    }

    for (let first = 0; first < killCount; first += batchSize) {
      const batch: Killed[] = []
      const numbers = Array.from({ length: batchSize }, (_, i) => first + i)
      await eachOf(numbers, 2, async (i) => void batch.push(await kill(i)))
      const begun: Killed[] = []
      for (const one of batch) {
        const where = count(one, hits)
        // Most of those that had not begun serve again; the others are merged anew.
        if (where === 'nothing' && one.merge.isUntouched && dice.below(4) > 0) untouched.push(one.merge)
        else begun.push(one)
      }
      const again = begun.filter((one) => one.merge.isUnfinished && dice.once(3))
      await eachOf(again, 8, async ({ merge }) => {
        await merge.resume(limitOf(merge.variant, dice.once(3) ? 'start' : 'journal'))
      })
      for (const { merge, label } of again) count({ merge, label: `${label}, and its resume` }, resumeHits)
      await eachOf(begun, 8, ({ merge, label }) => merge.finish(label))
      for (const { merge, label } of begun) {
        await merge.expectEnd(label, dice.once(5))
        rmSync(merge.directory, { recursive: true })
      }
    }
    console.log('killed in', hits, 'the resume in', resumeHits, 'milliseconds', [...times.values()])
    expect(hits.nothing + hits.finished).toBeGreaterThan(20)
    expect(hits.preparing).toBeGreaterThan(20)
    expect(hits.writing).toBeGreaterThan(20)
    expect(resumeHits.preparing + resumeHits.writing).toBeGreaterThan(10)
  }, 900_000)
})

/** The quick reader of these tests against the plain one. */
function expectSameAsNaive(scene: Ext4Scene): void {
  const read = (name: string) => readFileSync(path.join(scene.directory, name))
  const [overlay, backing] = [read('cow'), read('root_fs')]
  const plain = mergeNaively(overlay, backing, scene.facts)
  expect(readThrough(overlay, backing, scene.facts).equals(plain)).toBe(true)
  expect(scene.views.get('cow')!.equals(plain)).toBe(true)
}
