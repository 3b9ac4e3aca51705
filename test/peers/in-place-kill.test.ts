import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { amount, diceFor, isDeep, tally } from '../support/amount.js'
import { type Ext4Scene, makeExt4Scene, readThrough, sceneMtime } from '../support/ext4-scene.js'
import {
  callsOf,
  chosenPoints,
  copyDirectory,
  eachOf,
  type KilledIn,
  type KillPoint,
  killedIn,
  killPoints,
  pointText,
} from '../support/killed-runs.js'
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

/** Kills of each variant: a deep run kills at all points that there are, and at some again up to the number. */
const killCount = amount({ quick: 2, deep: 84 })
/** A resume is killed, too, once in so many. */
const resumeKilledOnceIn = amount({ quick: 2, deep: 3 })
/** Killed before any of them is resumed: meanwhile seconds pass that a resume waits for. */
const batchSize = 24

/** Before the call of this number, the journal says so. */
function phasesOf(calls: readonly string[]): (call: number) => KilledIn {
  const journal = /cow\.umlcow-journal$/
  const first = (name: string) => calls.findIndex((text) => text.startsWith(name) && journal.test(text)) + 1
  const [linked, renamed, removed] = [first('link'), first('rename'), first('unlink')]
  if (linked * renamed * removed === 0) throw new Error(`calls on the journal are missing: ${calls.join(', ')}`)
  return (call) => {
    if (call <= linked) return 'nothing'
    if (call <= renamed) return 'preparing'
    return call <= removed ? 'writing' : 'finished'
  }
}

/** Where a merge is killed; in a deep run anywhere, and beyond that at random again. */
function pointsOf({ name }: Variant, calls: readonly string[]): KillPoint[] {
  const phaseOf = phasesOf(calls)
  const lastMtime = calls.findLastIndex((text) => text.startsWith('futimes')) + 1
  const kindOf = ({ call, torn }: KillPoint) => `${phaseOf(call)} ${torn ? 'torn' : ''} ${call > lastMtime}`
  const points = killPoints(calls)
  return chosenPoints(name, points, Math.max(killCount, isDeep ? points.length : 0), kindOf)
}

const shape = { virtualSize: 8 * 2 ** 20, dataLength: 2 * 2 ** 20 }

describe.runIf(havePeers('/usr/sbin/mkfs.ext4', '/usr/sbin/e2fsck'))('a merge in place that is killed', () => {
  it.each(variants)('at any call, and resumed, ends as if nothing had been: $name', async (variant) => {
    const top = temporaryDirectory()
    const scene = makeExt4Scene(path.join(top, 'template'), { ...shape, siblingCount: variant.siblingCount })
    expectSameAsNaive(scene)
    const make = async (name: string): Promise<KilledMerge> => {
      const directory = path.join(top, name)
      await copyDirectory(scene.directory, directory)
      return new KilledMerge(directory, variant, scene)
    }
    const undisturbed = await make('undisturbed')
    const calls = await callsOf(undisturbed.mergeArgs, undisturbed.directory)
    await undisturbed.expectEnd('undisturbed', true)

    const dice = diceFor(`killed ${variant.name}`)
    const phaseOf = phasesOf(calls)
    const points = pointsOf(variant, calls)
    const runs = points.map((point, i) => ({
      point,
      name: `run${i}`,
      resumePoint: dice.once(resumeKilledOnceIn) ? dice.pick(killPoints(calls)) : null,
      deep: dice.once(5),
    }))
    let resumeKills = 0
    for (let first = 0; first < runs.length; first += batchSize) {
      const killed: { merge: KilledMerge; label: string; deep: boolean }[] = []
      await eachOf(runs.slice(first, first + batchSize), 2, async ({ point, name, resumePoint, deep }) => {
        const merge = await make(name)
        await merge.kill(point, merge.mergeArgs)
        let label = `${variant.name}, ${pointText(point)}`
        expect(killedIn(merge.directory, sceneMtime), label).toBe(phaseOf(point.call))
        if (phaseOf(point.call) === 'nothing' && variant.name !== 'backup') expect(merge.isUntouched, label).toBe(true)
        merge.expectRightReads(label)
        if (resumePoint !== null && merge.isUnfinished) {
          await merge.kill(resumePoint, merge.resumeArgs)
          label += `, and its resume at call ${resumePoint.call}`
          merge.expectRightReads(label)
          resumeKills++
        }
        killed.push({ merge, label, deep })
      })
      for (const { merge, label, deep } of killed) {
        await merge.finish(label)
        await merge.expectEnd(label, deep)
        rmSync(merge.directory, { recursive: true })
      }
    }
    tally('merges in place killed', runs.length, {
      'distinct kill points': new Set(points.map(pointText)).size,
      'of their resumes killed': resumeKills,
    })
  })
})

/** The quick reader of these tests against the plain one. */
function expectSameAsNaive(scene: Ext4Scene): void {
  const read = (name: string) => readFileSync(path.join(scene.directory, name))
  const [overlay, backing] = [read('cow'), read('root_fs')]
  const plain = mergeNaively(overlay, backing, scene.facts)
  expect(readThrough(overlay, backing, scene.facts).equals(plain)).toBe(true)
  expect(scene.views.get('cow')!.equals(plain)).toBe(true)
}
