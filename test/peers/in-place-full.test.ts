import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { namesIn, setMtime, stateOf, writeOverlay } from '../cli/scene.js'
import { type Outcome, umlcow } from '../support/command.js'
import { readThrough } from '../support/ext4-scene.js'
import { createDice } from '../support/generate.js'
import { sceneMtime } from '../support/in-place-scene.js'
import { canMount, fill, mountTmpfs, resizeTmpfs } from '../support/mounts.js'
import { naiveFacts } from '../support/naive.js'
import { temporaryDirectory } from '../support/paths.js'

const mebibyte = 2 ** 20
const virtualSize = 8 * mebibyte
const facts = naiveFacts('v3', virtualSize, 512, 4096)

/** Random sectors from 2 to 6 MiB. */
function randomSectors(seed: number): Map<number, Buffer> {
  const dice = createDice(seed)
  const bytes = Buffer.alloc(4 * mebibyte)
  dice.fill(bytes)
  const sectors = new Map<number, Buffer>()
  for (let at = 0; at < bytes.length; at += 512) {
    sectors.set((2 * mebibyte + at) / 512, bytes.subarray(at, at + 512))
  }
  return sectors
}

const changes = randomSectors(1)
/** Every other of the same sectors, with other bytes. */
const siblingChanges = new Map([...randomSectors(2)].filter(([sector]) => sector % 16 < 8))

function applied(old: Buffer, sectors: ReadonlyMap<number, Buffer>): Buffer {
  const bytes = Buffer.from(old)
  for (const [sector, data] of sectors) data.copy(bytes, sector * 512)
  return bytes
}

interface Place {
  readonly backing: string
  readonly cow: string
  readonly old: Buffer
  readonly merged: Buffer
}

/** An overlay that changes what is a hole, or with `dense` data, in its backing file. */
function place(backingIn: string, cowIn: string, how: 'sparse' | 'dense' = 'sparse'): Place {
  const backing = path.join(backingIn, 'root_fs')
  const cow = path.join(cowIn, 'cow')
  const old = Buffer.alloc(virtualSize, how === 'dense' ? 'old ' : 0)
  old.fill('first', 0, 4096)
  if (how === 'dense') writeFileSync(backing, old)
  else {
    writeFileSync(backing, old.subarray(0, 4096))
    truncateSync(backing, virtualSize)
  }
  setMtime(backing, sceneMtime)
  writeOverlay(cow, { virtualSize, backing, mtime: sceneMtime, sectors: changes })
  return { backing, cow, old, merged: applied(old, changes) }
}

function expectSees(cow: string, backing: string, expected: Buffer): void {
  expect(readThrough(readFileSync(cow), readFileSync(backing), facts).equals(expected)).toBe(true)
}

function expectMerged({ backing, cow, merged }: Place): void {
  expect(readFileSync(backing).equals(merged)).toBe(true)
  expectSees(cow, backing, merged)
  expect(readFileSync(cow).readUInt32BE(8)).toBe(Math.floor(statSync(backing).mtimeMs / 1000))
  for (const file of [cow, backing]) {
    expect(namesIn(path.dirname(file)).filter((name) => name.includes('umlcow'))).toEqual([])
  }
}

/** Nothing was changed, but for the ctime of a backing file whose mtime was changed and put back. */
function expectAsBefore({ backing, cow, old, merged }: Place): void {
  expect(readFileSync(backing).equals(old)).toBe(true)
  expect(statSync(backing).mtimeMs).toBe(sceneMtime * 1000)
  expectSees(cow, backing, merged)
  expect(readFileSync(cow).readUInt32BE(8)).toBe(sceneMtime)
  for (const file of [cow, backing]) {
    expect(namesIn(path.dirname(file)).filter((name) => name.includes('umlcow'))).toEqual([])
  }
}

function expectFull(outcome: Outcome, status: number): void {
  expect(outcome, outcome.stderr).toMatchObject({ status, signal: null, stdout: '' })
  expect(outcome.stderr).not.toMatch(/defect of umlcow|\n\s+at /)
  expect(outcome.stderr).toMatch(/no space left on device|free/i)
}

const forced = ['merge', '-d', '--force=room']

describe.runIf(canMount())('a file system that is full', () => {
  it('is seen before anything is changed', () => {
    const one = place(mountTmpfs(2 * mebibyte), temporaryDirectory())
    const before = [one.backing, one.cow].map(stateOf)
    const outcome = umlcow(['merge', '-d', one.cow])
    expectFull(outcome, 4)
    expect(outcome.stderr).toMatch(/has \S+ \S+ free, and the merge may need 4 MiB/)
    expect([one.backing, one.cow].map(stateOf)).toEqual(before)
    expectAsBefore(one)
  })

  it.each(['grown', 'cleared'])('stops the writing in the middle, and once it is %s the resume finishes', (how) => {
    const full = mountTmpfs((how === 'grown' ? 2 : 8) * mebibyte)
    const one = place(full, temporaryDirectory())
    const filler = how === 'grown' ? null : fill(full, 300)
    const outcome = umlcow([...forced, one.cow])
    expectFull(outcome, 1)
    expect(outcome.stderr).toContain('the merge is not finished')
    expect(outcome.stderr).toMatch(/free up to \S+ \S+ on its file system, then umlcow merge --resume /)
    expect(outcome.stderr).toContain(`umlcow merge --resume ${one.cow}`)
    const status = JSON.parse(umlcow(['merge', '--status', '--json', one.backing]).stdout)
    expect(status['unfinished-merge']).toMatchObject({ phase: 'writing', 'process-state': 'ended' })
    expect(readFileSync(one.backing).equals(one.old)).toBe(false)
    expect(readFileSync(one.backing).equals(one.merged)).toBe(false)
    expectSees(one.cow, one.backing, one.merged)

    // As long as it is full, a resume changes nothing about that.
    expectFull(umlcow(['merge', '--resume', one.cow]), 1)
    expectSees(one.cow, one.backing, one.merged)
    if (filler === null) resizeTmpfs(full, 16 * mebibyte)
    else rmSync(filler)
    expect(umlcow(['merge', '--resume', '-q', one.cow])).toMatchObject({ status: 0, stderr: '' })
    expectMerged(one)
  })

  it('of a sibling takes everything back', () => {
    const one = place(temporaryDirectory(), temporaryDirectory(), 'dense')
    const full = mountTmpfs(4 * mebibyte)
    const sibling = path.join(full, 'sibling')
    writeOverlay(sibling, { virtualSize, backing: one.backing, mtime: sceneMtime, sectors: siblingChanges })
    const view = applied(one.old, siblingChanges)
    const options = ['--keep-siblings', '--siblings-in', full]
    expectFull(umlcow(['merge', '-d', ...options, one.cow]), 4)
    expectAsBefore(one)
    expectFull(umlcow([...forced, ...options, one.cow]), 1)
    expectAsBefore(one)
    expectSees(sibling, one.backing, view)
    expect(namesIn(full)).toEqual(['sibling'])

    resizeTmpfs(full, 16 * mebibyte)
    expect(umlcow(['merge', '-d', '-q', ...options, one.cow])).toMatchObject({ status: 0, stderr: '' })
    expectMerged(one)
    expectSees(sibling, one.backing, view)
    expect(readFileSync(sibling).readUInt32BE(8)).toBe(Math.floor(statSync(one.backing).mtimeMs / 1000))
  })

  it('of an undo overlay takes everything back, and it is gone', () => {
    const one = place(temporaryDirectory(), temporaryDirectory(), 'dense')
    const full = mountTmpfs(mebibyte)
    const undo = path.join(full, 'undo')
    expectFull(umlcow(['merge', '-d', '--backup', undo, one.cow]), 4)
    expectFull(umlcow([...forced, '--backup', undo, one.cow]), 1)
    expectAsBefore(one)
    expect(namesIn(full)).toEqual([])
  })

  // The journal takes one block, and one more when another takes its place.
  it.each([0, 1, 2, 3])('with %i blocks left for the journal: all or nothing', (blocksLeft) => {
    const full = mountTmpfs(8 * mebibyte)
    const one = place(temporaryDirectory(), full, 'dense')
    const filler = fill(full, blocksLeft)
    const outcome = umlcow(['merge', '-d', '-q', one.cow])
    if (blocksLeft < 2) {
      expectFull(outcome, 1)
      expectAsBefore(one)
      rmSync(filler)
      expect(umlcow(['merge', '-d', '-q', one.cow])).toMatchObject({ status: 0, stderr: '' })
    } else {
      expect(outcome).toMatchObject({ status: 0, stderr: '' })
    }
    expectMerged(one)
  })

  it('without room for the marker changes nothing', () => {
    const full = mountTmpfs(9 * mebibyte)
    const one = place(full, temporaryDirectory(), 'dense')
    const filler = fill(full, 0)
    expectFull(umlcow(['merge', '-d', one.cow]), 1)
    expectAsBefore(one)
    rmSync(filler)
    expect(umlcow(['merge', '-d', '-q', one.cow])).toMatchObject({ status: 0, stderr: '' })
    expectMerged(one)
  })

  it('without room for another journal does not keep a merge from being resumed later', () => {
    const full = mountTmpfs(16 * mebibyte)
    const holed = mountTmpfs(2 * mebibyte)
    const one = place(holed, full)
    expectFull(umlcow([...forced, one.cow]), 1)
    const filler = fill(full, 0)
    resizeTmpfs(holed, 16 * mebibyte)
    expectFull(umlcow(['merge', '--resume', one.cow]), 1)
    expectSees(one.cow, one.backing, one.merged)
    rmSync(filler)
    expect(umlcow(['merge', '--resume', '-q', one.cow])).toMatchObject({ status: 0, stderr: '' })
    expectMerged(one)
  })

  it('takes no new file: nothing is left of it, and the one that was there stays', () => {
    const one = place(temporaryDirectory(), temporaryDirectory())
    const full = mountTmpfs(mebibyte)
    const target = path.join(full, 'merged')
    expectFull(umlcow(['merge', one.cow, target]), 1)
    expect(readdirSync(full)).toEqual([])
    writeFileSync(target, 'precious')
    expectFull(umlcow(['merge', '--overwrite', one.cow, target]), 1)
    expect(namesIn(full)).toEqual(['merged'])
    expect(readFileSync(target, 'utf8')).toBe('precious')
    expectAsBefore(one)
  })
})
