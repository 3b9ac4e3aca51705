import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listExtents } from '../../src/machine/programs/copy-helpers.js'
import { openFileStore } from '../../src/machine/stores/file-store.js'
import { allocatedBytes, expectPlainFailure, keepsUnwritten, namesIn } from '../cli/scene.js'
import { type Outcome, umlcow } from '../support/command.js'
import { createDice } from '../support/generate.js'
import { canMount, fill, mountTmpfs, tmpfsBlock } from '../support/mounts.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { dataOf, hasBytes, makeSparsePair, mergedBytes, type SparsePair } from '../support/sparse-pair.js'

const mebibyte = 2 ** 20
const haveBoth = havePeers('/usr/bin/cp', '/usr/sbin/filefrag')

/** File systems without extents (tmpfs) let filefrag tell nothing. */
function tellsExtents(file: string): boolean {
  if (spawnSync('/usr/sbin/filefrag', ['-v', file]).status === 0) return true
  if (process.env['CI'] === 'true') throw new Error(`filefrag tells nothing of ${file}`)
  console.warn(`SKIPPED: filefrag tells nothing of ${file}`)
  return false
}

function runMerge(pair: SparsePair, ...args: string[]): Outcome {
  keepsUnwritten(pair.cow, pair.backing)
  return umlcow(['merge', '--json', '--no-sync', ...args, pair.cow, pair.target])
}

describe.runIf(haveBoth)('with the host programs', () => {
  it.each(['cp', 'extents', 'read', 'auto'])('%s gives the same bytes, holes kept', (copier) => {
    const pair = makeSparsePair()
    if (copier === 'extents' && !tellsExtents(pair.backing)) return
    const outcome = runMerge(pair, `--copier=${copier}`, '--verify')
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
    expect(allocatedBytes(pair.target)).toBeLessThan(4 * mebibyte)
    if (copier !== 'auto') expect(JSON.parse(outcome.stdout)).toMatchObject({ copier })
    else expect(['reflink', tellsExtents(pair.backing) ? 'extents' : 'cp']).toContain(JSON.parse(outcome.stdout).copier)
  })

  it('what was preallocated or not yet written out is no hole', async () => {
    const directory = temporaryDirectory()
    const file = path.join(directory, 'file')
    writeFileSync(file, '')
    if (!tellsExtents(file)) return
    const dice = createDice(7)
    for (let round = 0; round < 20; round++) {
      const bytes = Buffer.alloc(dice.below(12 * mebibyte))
      const fd = openSync(file, 'w')
      for (let i = 0; i < 10 && bytes.length > 0; i++) {
        const start = dice.below(bytes.length)
        const part = Buffer.alloc(
          Math.min(dice.pick([1, 700, 4096, 300_000]), bytes.length - start),
          1 + dice.below(255),
        )
        part.copy(bytes, start)
        writeSync(fd, part, 0, part.length, start)
      }
      ftruncateSync(fd, bytes.length)
      closeSync(fd)
      if (round % 3 === 0) spawnSync('fallocate', ['-n', '-o', `${dice.below(8)}M`, '-l', '9M', file])
      const store = await openFileStore(file, 'read')
      const stretches = await listExtents(store, undefined)
      await store.close()
      expect(stretches).not.toBeNull()
      for (let i = 0; i < stretches!.length; i += 2) bytes.fill(0, stretches![i], stretches![i + 1])
      expect(
        bytes.every((byte) => byte === 0),
        `round ${round}`,
      ).toBe(true)
    }
  })
})

describe.runIf(haveBoth && canMount())('a full disk', () => {
  /** Too little room for the data of the backing file, about 2 MiB. */
  function onFullDisk(): SparsePair {
    const directory = mountTmpfs(8 * mebibyte)
    const pair = makeSparsePair()
    fill(directory, 100)
    return { ...pair, directory, target: path.join(directory, 'merged') }
  }

  it.each(['auto', 'read'])('is told, and nothing is left: %s', (copier) => {
    const pair = onFullDisk()
    const outcome = runMerge(pair, `--copier=${copier}`)
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error.code).toBe('ENOSPC')
    expect(namesIn(pair.directory)).toEqual(['filler'])
  })

  it('is told by cp, and nothing is left', () => {
    const pair = onFullDisk()
    const outcome = runMerge(pair, '--copier=cp')
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error.code).toBe('ENOSPC')
    expect(namesIn(pair.directory)).toEqual(['filler'])
  })

  it('that fills while the overlay is written over the copy', () => {
    const directory = mountTmpfs(8 * mebibyte)
    const pair = { ...makeSparsePair(), directory, target: path.join(directory, 'merged') }
    // Room for the copy, and one block of the several that the overlay fills where the backing file has holes.
    const copied = dataOf().reduce((sum, at, i) => sum + (i % 2 === 0 ? -at : at), 0)
    fill(directory, Math.ceil(copied / tmpfsBlock) + 1)
    const outcome = runMerge(pair, '--copier=cp')
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error.code).toBe('ENOSPC')
    expect(namesIn(directory)).toEqual(['filler'])
  })
})
