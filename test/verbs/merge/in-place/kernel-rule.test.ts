import { describe, expect, test } from 'vitest'
import { createDice, generatePair } from '../../../support/generate.js'
import { createModelClock } from '../../../support/model-clock.js'
import { createModelDisk } from '../../../support/model-disk.js'
import { mergeNaively } from '../../../support/naive.js'
import {
  bootGuest,
  factsFor,
  kernelOpens,
  overlayBytes,
  readThrough,
  seeHeader,
  suppliedSectors,
  type Version,
} from './kernel-rule.js'
import { drawSectors } from './scene.js'

const versions: readonly Version[] = [1, 2, 3]

describe.each(versions)('version %i', (version) => {
  test('reads what the plainest reader reads', () => {
    for (let seed = 0; seed < 10; seed++) {
      const virtualSize = 3000 + seed * 4321
      const options = { layout: `v${version}`, sectorSize: 512, alignment: 4096, virtualSize } as const
      const { overlayBytes: overlay, backingBytes: backing, facts, mtime, merged } = generatePair(seed, options)
      const seen = seeHeader(Buffer.from(overlay))
      expect(seen).toEqual({ version, mtime, facts })
      expect(readThrough(Buffer.from(overlay), Buffer.from(backing)).equals(merged)).toBe(true)
    }
  })

  test('writes what the plainest reader reads, new and through a guest', async () => {
    const virtualSize = 65_000
    const dice = createDice(version)
    const backing = Buffer.alloc(virtualSize)
    dice.fill(backing)
    const disk = createModelDisk({ clock: createModelClock() })
    disk.putFile('/d/root_fs', backing, { mtime: 77 })
    const first = drawSectors(dice, 10, 120, virtualSize)
    const bytes = overlayBytes({ version, virtualSize, mtime: 77, backingPath: '/d/root_fs', sectors: first })
    disk.putFile('/d/O', bytes)
    const second = drawSectors(dice, 10, 120, virtualSize)
    const guest = bootGuest(disk, '/d/O')
    await guest.write(second)
    const expected = Buffer.from(backing)
    for (const [sector, data] of [...first, ...second]) expected.set(data, sector * 512)
    const written = disk.readFile('/d/O')
    expect(mergeNaively(written, backing, factsFor(version, virtualSize))).toEqual(new Uint8Array(expected))
    expect(new Set(suppliedSectors(written))).toEqual(new Set([...first.keys(), ...second.keys()]))
  })

  test('is opened when size and second are those of the backing file, and not otherwise', async () => {
    const disk = createModelDisk({ clock: createModelClock() })
    const overlay = { version, virtualSize: 1024, mtime: 77, backingPath: '/d/root_fs' }
    disk.putFile('/d/O', overlayBytes(overlay))
    disk.putFile('/d/later', overlayBytes({ ...overlay, mtime: 78 }))
    disk.putFile('/d/longer', overlayBytes({ ...overlay, virtualSize: 1025 }))
    disk.putFile('/d/root_fs', Buffer.alloc(1024), { mtime: 77.9 })
    const opened = ['O', 'later', 'longer', 'root_fs', 'no'].filter((name) =>
      kernelOpens(disk, `/d/${name}`, '/d/root_fs'),
    )
    expect(opened).toEqual(['O'])
  })
})
