import { readdirSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { alignedBuffer } from '../../src/bytes/aligned-buffer.js'
import { walkRuns } from '../../src/engine/run-batch.js'
import type { Step } from '../../src/engine/step.js'
import { computeLayout } from '../../src/formats/cow/index.js'
import { openBitmapReader } from '../../src/images/cow-bitmap-reader.js'
import { executeLocally } from '../../src/machine/execute-locally.js'
import { localHostFiles } from '../../src/machine/host-files.js'
import { openFileStore } from '../../src/machine/stores/file-store.js'
import { countAllocated } from '../../src/overlays/count-allocated.js'
import type { SyncBlockStore } from '../../src/stores/block-store.js'
import { check } from '../../src/verbs/check/index.js'
import { info } from '../../src/verbs/info.js'
import { writeHole, writeOverlay } from '../cli/scene.js'
import { temporaryDirectory } from '../support/paths.js'

const tebibyte = 2 ** 40
const sectorSize = 512

/** An overlay with these runs of allocated sectors, all holes. */
function overlayOf(virtualSize: number, runs: readonly (readonly [start: number, end: number])[]): string {
  const file = path.join(temporaryDirectory(), 'cow')
  const sectors = new Map<number, null>()
  for (const [start, end] of runs) for (let sector = start; sector < end; sector++) sectors.set(sector, null)
  writeOverlay(file, { virtualSize, backing: path.join(path.dirname(file), 'root_fs'), sectors })
  return file
}

/** A store that counts the bytes of plain reads. */
function counted<T extends SyncBlockStore>(store: T, add: (bytes: number) => void): T {
  const counting = Object.create(store) as T
  counting.readNow = (offset, target) => {
    add(target.length)
    return store.readNow(offset, target)
  }
  counting.read = (offset, target) => {
    add(target.length)
    return store.read(offset, target)
  }
  return counting
}

/** 64 KiB of bitmap are the bits of so many sectors. */
const pieceSectors = 64 * 1024 * 8

describe('the bitmap of a large overlay', () => {
  const virtualSize = 330 * 2 ** 30 - 3 * sectorSize
  const last = Math.floor(virtualSize / sectorSize)
  const runs = [
    [3, 5],
    [pieceSectors - 1, pieceSectors + 1],
    [9 * pieceSectors, 9 * pieceSectors + 1],
    [400 * pieceSectors - 2, 400 * pieceSectors],
    [403 * pieceSectors + 70, 403 * pieceSectors + 90],
    [last - 1, last],
  ] as const

  async function walks(store: SyncBlockStore) {
    const header = { sectorSize, virtualSize }
    const layout = computeLayout({ ...header, layout: 'v3', alignment: 4096 })
    const planned: number[][] = []
    function* steps(): Generator<Step, void, void> {
      for (const item of walkRuns({ store, header, layout })) {
        if ('kind' in item) yield item
        else for (let i = 0; i < item.count; i++) planned.push([item.starts[i]!, item.ends[i]!])
      }
    }
    await executeLocally(steps())
    const read: number[][] = []
    for await (const run of openBitmapReader(store, layout).runs(0, layout.sectorCount)) {
      read.push([run.startSector, run.endSector])
    }
    const inside = openBitmapReader(store, layout).runs(4, 401 * pieceSectors)
    const clipped: number[][] = []
    for await (const run of inside) clipped.push([run.startSector, run.endSector])
    return { count: await countAllocated({ store, header, layout }), planned, read, clipped }
  }

  test('is walked the same with and without a way to find holes', async () => {
    const store = await openFileStore(overlayOf(virtualSize, runs), 'read')
    onTestFinished(() => store.close())
    let bytes = 0
    const found = await walks(counted(store, (length) => (bytes += length)))
    expect(found.count).toBe(runs.reduce((sum, [start, end]) => sum + end - start, 0))
    expect(found.read).toEqual(runs)
    expect(found.clipped).toEqual([[4, 5], ...runs.slice(1, 4)])
    expect(bytes, 'bytes read through the page cache').toBeLessThan(16 * 2 ** 20)
    const plain = Object.create(store, { pastCache: { value: undefined } }) as SyncBlockStore
    expect(await walks(plain)).toEqual(found)
  })

  test('is not read when a check or info of 8 TiB has next to nothing to count', async () => {
    const cow = overlayOf(8 * tebibyte, [
      [10, 12],
      [2 ** 33, 2 ** 33 + 3],
    ])
    writeHole(path.join(path.dirname(cow), 'root_fs'), 8 * tebibyte)
    let bytes = 0
    const files = {
      ...localHostFiles,
      open: async (...operands: Parameters<typeof localHostFiles.open>) =>
        counted(await localHostFiles.open(...operands), (length) => (bytes += length)),
    }
    const result = await check(cow, { files })
    expect(result).toMatchObject({ allocatedSectors: 5, findings: [] })
    expect((await info(cow, { files })).overlay?.allocatedSectors).toBe(5)
    expect(bytes, 'bytes read through the page cache').toBeLessThan(4 * 2 ** 20)
  })
})

describe('a file past the page cache', () => {
  test('has the same bytes, at any offset, and beyond what the host can do', async () => {
    const file = overlayOf(2 ** 20, [[0, 9]])
    const store = await openFileStore(file, 'readWrite')
    onTestFinished(() => store.close())
    const pastCache = store.pastCache as SyncBlockStore
    const memory = alignedBuffer(4096)
    const plain = Buffer.alloc(4096)
    store.writeNow(8192, Buffer.from('written a moment ago'))
    for (const offset of [8192, 0, 8193, 4096]) {
      expect(pastCache.readNow(offset, memory)).toBe(4096)
      store.readNow(offset, plain)
      expect(plain.equals(memory)).toBe(true)
    }
    truncateSync(file, 100)
    expect(pastCache.readNow(4096, memory)).toBe(0)
  })

  test('is closed with the file, and refuses to be read then', async () => {
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    for (const reads of [0, 1]) {
      const store = await openFileStore(overlayOf(2 ** 20, []), 'read')
      const pastCache = store.pastCache as SyncBlockStore
      const memory = alignedBuffer(4096)
      for (let i = 0; i < reads; i++) pastCache.readNow(0, memory)
      await store.close()
      expect(() => pastCache.readNow(0, memory)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    }
    expect(open()).toBe(before)
  })
})
