import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { amount, diceFor, tally } from '../support/amount.js'
import { umlcow } from '../support/command.js'
import { makeNastyTree, owner, removeTree, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import {
  callsOf,
  chosenPoints,
  copyDirectory,
  type KillPoint,
  killPoints,
  killUmlcow,
  pointText,
} from '../support/killed-runs.js'

/** In each direction. */
const killCount = amount({ quick: 3, deep: 120 })
const entryCount = amount({ quick: 0, deep: 150 })
/** The run that is to finish a killed one is killed, too, once in so many. */
const nextKilledOnceIn = amount({ quick: 3, deep: 3 })

const forward = ['humfsify', '--no-sync', owner.user, owner.group, '1G']
const back = ['humfsify', '-r', '--no-sync']

function makeTree(top: string): void {
  makeNastyTree(top)
  for (let i = Object.keys(snapshot(top)).length; i < entryCount; i++) {
    fs.writeFileSync(path.join(top, 'data/dir', `more${i}`), '', { mode: 0o640 })
  }
}

/** What each call of a run is about: sampled are kills of each kind. */
function kindOf({ text, torn }: KillPoint): string {
  const [call] = text.split(' ', 1)
  const what = /umlcow-journal|superblock|_metadata/.exec(text)?.[0] ?? 'data'
  return `${call} ${what} ${torn ? 'torn' : ''}`
}

describe('humfsify and its reverse, killed', () => {
  it.each(['humfsify', 'reverse'])('%s, at any call, is finished or undone by the next run', async (direction) => {
    const top = scratchDirectory()
    const [plain, done, undone] = ['plain', 'done', 'undone'].map((name) => path.join(top, name)) as [
      string,
      string,
      string,
    ]
    fs.mkdirSync(plain)
    makeTree(plain)
    const before = snapshot(plain)
    await copyDirectory(plain, done)
    const forwardCalls = await callsOf(forward, done)
    const after = snapshot(done)
    await copyDirectory(done, undone)
    const backCalls = await callsOf(back, undone)
    expect(snapshot(undone)).toEqual(before)

    const isForward = direction === 'humfsify'
    const dice = diceFor(direction)
    let nextKills = 0
    const points = chosenPoints(direction, killPoints(isForward ? forwardCalls : backCalls), killCount, kindOf)
    for (const [i, point] of points.entries()) {
      const directory = path.join(top, `run${i}`)
      await copyDirectory(isForward ? plain : done, directory)
      await killUmlcow(point, isForward ? forward : back, directory)
      let label = `${i}: ${direction} ${pointText(point)}`
      const goOn = isForward && dice.once(2) ? forward : back
      if (dice.once(nextKilledOnceIn)) {
        const again = dice.pick(points)
        await killUmlcow(again, goOn, directory)
        label += `, then ${goOn.join(' ')} killed at call ${again.call}`
        nextKills++
      }
      const last = umlcow(goOn, { cwd: directory })
      label += `, then ${goOn.join(' ')}: ${last.stderr}`
      // What was over already is refused: 4, it is humfs; 63, it is not.
      expect([0, goOn === forward ? 4 : 63], label).toContain(last.status)
      expect(snapshot(directory), label).toEqual(goOn === forward ? after : before)
      expect(umlcow(back, { cwd: directory }).status, label).toBe(goOn === forward ? 0 : 63)
      expect(snapshot(directory), label).toEqual(before)
      removeTree(directory)
    }
    tally('humfsify and its reverse killed', points.length, { 'of the next runs killed': nextKills })
  })
})
