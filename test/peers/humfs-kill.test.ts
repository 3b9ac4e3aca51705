import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { createDice } from '../support/generate.js'
import { makeNastyTree, owner, removeTree, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { copyDirectory, type Limit, noLimit, timeUmlcow, umlcowFor } from '../support/killed-runs.js'

const killCount = 240
const entryCount = 150

const forward = ['humfsify', '--no-sync', owner.user, owner.group, '1G']
const back = ['humfsify', '-r', '--no-sync']

function makeTree(top: string): void {
  makeNastyTree(top)
  for (let i = Object.keys(snapshot(top)).length; i < entryCount; i++) {
    fs.writeFileSync(path.join(top, 'data/dir', `more${i}`), '', { mode: 0o640 })
  }
}

/** Whatever a run was that was killed, it has not begun, or its journal is there, or it is over. */
function phaseOf(directory: string): string {
  const journal = path.join(directory, 'humfs.umlcow-journal')
  if (fs.existsSync(journal)) return fs.readFileSync(journal, 'utf8').split('\n').length > 2 ? 'later' : 'first'
  return fs.existsSync(path.join(directory, 'superblock')) ? 'humfs' : 'plain'
}

describe('humfsify and its reverse, killed', () => {
  it(`at any of ${killCount} instants, are finished or undone by the next run`, async () => {
    const top = scratchDirectory()
    const [plain, done] = [path.join(top, 'plain'), path.join(top, 'done')]
    fs.mkdirSync(plain)
    makeTree(plain)
    await copyDirectory(plain, done)
    const before = snapshot(plain)
    const times = { forward: await timeUmlcow(forward, done), back: { start: 0, journal: 0 } }
    const after = snapshot(done)
    const timed = path.join(top, 'timed')
    await copyDirectory(done, timed)
    times.back = await timeUmlcow(back, timed)
    expect(snapshot(timed)).toEqual(before)

    const dice = createDice(5)
    const limitOf = (times: Record<Limit['from'], number>): Limit => {
      const from = dice.once(5) ? 'start' : 'journal'
      return { from, milliseconds: (dice.below(1000) / 1000) * times[from] * 1.8 }
    }
    const hits: Record<string, number> = {}
    for (let i = 0; i < killCount; i++) {
      const directory = path.join(top, `run${i}`)
      const isForward = i % 2 === 0
      await copyDirectory(isForward ? plain : done, directory)
      const limit = limitOf(isForward ? times.forward : times.back)
      await umlcowFor(limit, isForward ? forward : back, directory)
      const hit = `${isForward ? 'humfsify' : 'reverse'} ${phaseOf(directory)}`
      hits[hit] = (hits[hit] ?? 0) + 1
      // Some of the runs that should finish it are killed, too.
      const goOn = isForward && dice.once(2) ? forward : back
      if (dice.once(3)) await umlcowFor(limitOf(goOn === forward ? times.forward : times.back), goOn, directory)
      const last = await umlcowFor(noLimit, goOn, directory)
      const label = `${i}: ${hit}, then ${goOn.join(' ')}: ${last.stderr}`
      // What was over already is refused: 4, it is humfs; 63, it is not.
      expect([0, goOn === forward ? 4 : 63], label).toContain(last.status)
      expect(snapshot(directory), label).toEqual(goOn === forward ? after : before)
      expect(umlcow(back, { cwd: directory }).status, label).toBe(goOn === forward ? 0 : 63)
      expect(snapshot(directory), label).toEqual(before)
      removeTree(directory)
    }
    console.log('killed in', hits, 'milliseconds', times)
    // Data is changed in a few milliseconds: test/humfs/crash.test.ts stops at each of these calls.
    expect((hits['humfsify first'] ?? 0) + (hits['humfsify later'] ?? 0)).toBeGreaterThan(20)
    expect((hits['reverse first'] ?? 0) + (hits['reverse later'] ?? 0)).toBeGreaterThan(20)
  }, 900_000)
})
