import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { merge } from '../../src/verbs/merge/index.js'
import { isDeep, tally as reportAmount, sampleOf } from '../support/amount.js'
import { type GeneratedPair, generatePair, pairLayouts, pairPatterns, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const moo = '/usr/bin/uml_moo'
const mooThere = havePeers(moo)
/** Seeds from 0: in a quick run some of each batch, at random. */
const pairCount = 2400
const batchSize = 300
const quickCount = 10

interface Tally {
  compared: number
  readonly differences: Map<string, number>
}

/** Merge one pair with both tools; ours has to be right, uml_moo's where it is known to be. */
async function compareOne(pair: GeneratedPair, directory: string, tally: Tally): Promise<void> {
  const { overlayPath, backingPath } = writePair(pair, directory)
  const ours = path.join(directory, 'ours.img')
  const theirs = path.join(directory, 'theirs.img')
  const options = { backing: backingPath, noSync: true, allowShort: false }
  await merge(overlayPath, ours, options)
  const merged = readFileSync(ours)
  expect(Buffer.compare(merged, pair.merged), pair.name).toBe(0)
  if (mooThere) {
    const { status } = spawnSync(moo, ['-b', backingPath, overlayPath, theirs])
    const same = status === 0 && readFileSync(theirs).equals(merged)
    if (pair.mooMayDiffer === null) expect(same, `uml_moo on ${pair.name}`).toBe(true)
    else if (!same) tally.differences.set(pair.mooMayDiffer, (tally.differences.get(pair.mooMayDiffer) ?? 0) + 1)
    tally.compared++
  }
  for (const file of [ours, theirs]) rmSync(file, { force: true })
}

describe('merges of generated overlays', () => {
  const tally: Tally = { compared: 0, differences: new Map() }
  const seen = new Set<string>()

  for (let first = 0; first < pairCount; first += batchSize) {
    const name = `pairs ${first} to ${first + batchSize - 1} equal a sector by sector merge, and uml_moo's where it is right`
    it(name, async () => {
      const directory = temporaryDirectory()
      const seeds = Array.from({ length: batchSize }, (_, i) => first + i)
      for (const seed of sampleOf(name, seeds, quickCount)) {
        const pair = generatePair(seed)
        seen.add(pair.layout).add(pair.pattern)
        await compareOne(pair, directory, tally)
      }
    })
  }

  it('covers every layout and every pattern', () => {
    expect([...seen].sort()).toEqual([...pairLayouts, ...pairPatterns].sort())
  })

  it.runIf(mooThere)('finds the differences that docs/differences.md tells of, and no other', () => {
    reportAmount('generated overlays compared with uml_moo', tally.compared)
    if (isDeep) expect(tally.compared).toBe(pairCount)
    expect([...tally.differences.keys()].sort()).toEqual([
      'it drops the partial last sector',
      'it reads version 1 in its own byte order only',
      'it takes missing bits from the memory behind its bitmap',
    ])
  })
})
