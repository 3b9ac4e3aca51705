import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CowLayout, computeLayout } from '../../src/formats/cow/index.js'
import { openBitmapReader, type SectorRun, storedBitmapLength } from '../../src/images/cow-bitmap-reader.js'
import { openCowImage } from '../../src/images/cow-image.js'
import { pieceSize } from '../../src/images/piece-cache.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { countedStore } from '../stores/faulty-stores.js'
import { runs } from '../support/amount.js'
import { generatePair } from '../support/generate.js'
import { isSupplied } from '../support/naive.js'
import { collect, parsePair } from './oracle.js'

const pieceBits = pieceSize * 8

/** A version 3 overlay of so many sectors, cut behind its bitmap, with these sectors allocated. */
function sparseOverlay(sectorCount: number, allocated: readonly (readonly [number, number])[]) {
  const header = { layout: 'v3', virtualSize: sectorCount * 512, sectorSize: 512, alignment: 4096 } as const
  const layout = computeLayout(header)
  const bytes = new Uint8Array(layout.bitmapOffset + layout.bitmapLength)
  for (const [start, end] of allocated) {
    for (let sector = start; sector < end; sector++) {
      const at = layout.bitmapOffset + Math.floor(sector / 8)
      bytes[at] = bytes[at]! | (1 << (sector % 8))
    }
  }
  return { layout, bytes, store: openMemoryStore(bytes), header }
}

function asRuns(pairs: readonly (readonly [number, number])[]): SectorRun[] {
  return pairs.map(([startSector, endSector]) => ({ startSector, endSector }))
}

function clip(pairs: readonly (readonly [number, number])[], from: number, end: number): [number, number][] {
  return pairs.map(([a, b]): [number, number] => [Math.max(a, from), Math.min(b, end)]).filter(([a, b]) => a < b)
}

describe('runs over the borders of pieces of the bitmap', () => {
  const sectors = 2 * pieceBits + 100_003
  const allocated = [
    [0, 1],
    [7, 9],
    [pieceBits - 5, pieceBits + 5],
    [pieceBits + 100, pieceBits + 101],
    [2 * pieceBits - 1, 2 * pieceBits],
    [2 * pieceBits + 1, 2 * pieceBits + 50_000],
    [sectors - 1, sectors],
  ] as const
  const { layout, store } = sparseOverlay(sectors, allocated)

  test('are whole', async () => {
    expect(await collect(openBitmapReader(store, layout).runs(0, sectors))).toEqual(asRuns(allocated))
  })

  test.each([
    [0, pieceBits],
    [pieceBits, 2 * pieceBits],
    [pieceBits - 1, pieceBits + 1],
    [pieceBits - 5, pieceBits + 5],
    [pieceBits - 6, pieceBits + 6],
    [8, pieceBits + 100],
    [2 * pieceBits - 1, sectors],
    [2 * pieceBits, 2 * pieceBits + 1],
    [2 * pieceBits + 77, 2 * pieceBits + 78],
    [sectors - 1, sectors],
    [sectors, sectors],
    [5, 5],
    [0, sectors + 1_000_000],
  ])('are clipped to %d..%d', async (from, end) => {
    const runs = await collect(openBitmapReader(store, layout).runs(from, end))
    expect(runs).toEqual(asRuns(clip(allocated, from, end)))
  })

  test('one run over several whole pieces is one run', async () => {
    const whole = [[3, sectors - 3]] as const
    const full = sparseOverlay(sectors, whole)
    expect(await collect(openBitmapReader(full.store, full.layout).runs(0, sectors))).toEqual(asRuns(whole))
  })

  test('interleaved on one reader are those of two readers', async () => {
    const reader = openBitmapReader(store, layout)
    const forward = reader.runs(0, sectors)
    const late = reader.runs(pieceBits + 50, sectors)
    const found: [SectorRun[], SectorRun[]] = [[], []]
    for (let open = true; open; ) {
      open = false
      for (const [index, iterator] of [late, forward].entries()) {
        const next = await iterator.next()
        if (next.done) continue
        open = true
        found[index as 0 | 1].push(next.value)
      }
    }
    expect(found[1]).toEqual(asRuns(allocated))
    expect(found[0]).toEqual(asRuns(clip(allocated, pieceBits + 50, sectors)))
  })

  test('make the extents of an image whole, too', async () => {
    const { header, bytes } = sparseOverlay(sectors, allocated)
    const cowHeader = { ...parsePair(generatePair(1, { layout: 'v3', virtualSize: 512 })), ...header }
    const image = openCowImage(openMemoryStore(bytes), cowHeader, openRawImage(openMemoryStore(), header.virtualSize))
    const fromOverlay = (await collect(image.extents(0, header.virtualSize))).filter(({ depth }) => depth === 0)
    expect(fromOverlay.map(({ start, length }) => [start / 512, (start + length) / 512])).toEqual(allocated)
  })
})

describe('many short runs', () => {
  test('more than fit into one batch, read at once or against another reader', async () => {
    const sectors = pieceBits + 9000
    const { layout, bytes } = sparseOverlay(sectors, [])
    bytes.fill(0b01010101, layout.bitmapOffset)
    const reader = openBitmapReader(openMemoryStore(bytes), layout)
    let expected = 0
    // The other one moves the shared buffer to the other piece again and again.
    const other = reader.runs(pieceBits, sectors)
    for await (const run of reader.runs(0, sectors)) {
      expect(run).toEqual({ startSector: expected, endSector: expected + 1 })
      if (expected % 5000 === 0) await other.next()
      expected += 2
    }
    expect(expected).toBe(sectors + (sectors % 2))
  })
})

describe('what is read', () => {
  test('is a piece once, not again for each batch of runs or each look', async () => {
    const { layout, bytes } = sparseOverlay(pieceBits + 10, [])
    bytes.fill(0b01010101, layout.bitmapOffset)
    const counted = countedStore(openMemoryStore(bytes))
    const reader = openBitmapReader(counted, layout)
    await collect(reader.runs(0, pieceBits + 10))
    expect(counted.reads).toBe(2)
    await collect(reader.runs(pieceBits, pieceBits + 10))
    expect(counted.reads).toBe(2)
  })

  test('is no more than the file holds, whatever the header claims', async () => {
    const layout: CowLayout = computeLayout({ layout: 'v3', virtualSize: 2 ** 52, sectorSize: 512, alignment: 4096 })
    const bytes = new Uint8Array(layout.bitmapOffset + 3)
    bytes.set([0xff, 0, 1], layout.bitmapOffset)
    const counted = countedStore(openMemoryStore(bytes))
    const reader = openBitmapReader(counted, layout)
    expect(await collect(reader.runs(0, layout.sectorCount))).toEqual(
      asRuns([
        [0, 8],
        [16, 17],
      ]),
    )
    expect(counted.reads).toBeLessThanOrEqual(2)
    expect(storedBitmapLength(counted, layout)).toBe(3)
    expect(storedBitmapLength({ ...counted, size: 100 }, layout)).toBe(0)
    expect(storedBitmapLength({ ...counted, size: 2 ** 50 }, layout)).toBe(layout.bitmapLength)
  })

  test('is tried again after a failure', async () => {
    const { layout, store } = sparseOverlay(100, [[3, 5]])
    let failing = true
    const failure = new Error('EIO')
    const flaky = {
      ...countedStore(store),
      size: store.size,
      read: (offset: number, target: Uint8Array) => (failing ? Promise.reject(failure) : store.read(offset, target)),
    }
    const reader = openBitmapReader(flaky, layout)
    await expect(collect(reader.runs(0, 100))).rejects.toBe(failure)
    failing = false
    expect(await collect(reader.runs(0, 100))).toEqual(asRuns([[3, 5]]))
  })
})

test('a piece whose reading failed half-way is read again', async () => {
  const { layout, store } = sparseOverlay(pieceBits + 100, [
    [3, 5],
    [pieceBits + 3, pieceBits + 5],
  ])
  let failing = false
  const failure = new Error('EIO')
  const flaky = {
    ...countedStore(store),
    size: store.size,
    read: async (offset: number, target: Uint8Array) => {
      if (!failing) return store.read(offset, target)
      target.fill(0xff)
      throw failure
    },
  }
  const reader = openBitmapReader(flaky, layout)
  expect(await collect(reader.runs(0, 100))).toEqual(asRuns([[3, 5]]))
  failing = true
  await expect(collect(reader.runs(pieceBits, pieceBits + 10))).rejects.toBe(failure)
  failing = false
  expect(await collect(reader.runs(0, 100))).toEqual(asRuns([[3, 5]]))
})

test('a walk ends at a signal, also between two pieces', async () => {
  const { layout, store } = sparseOverlay(pieceBits + 100, [
    [3, 5],
    [7, 9],
    [pieceBits + 3, pieceBits + 5],
  ])
  const ended = collect(openBitmapReader(store, layout, AbortSignal.abort()).runs(0, pieceBits))
  await expect(ended).rejects.toMatchObject({ code: 'INTERRUPTED' })
  const stop = new AbortController()
  const runs = openBitmapReader(store, layout, stop.signal).runs(0, pieceBits + 100)
  expect((await runs.next()).value).toEqual({ startSector: 3, endSector: 5 })
  stop.abort()
  await expect(collect(runs)).rejects.toMatchObject({ code: 'INTERRUPTED' })
})

test('runs equal a loop over the bits, for generated overlays, cut or not', async () => {
  const property = fc.asyncProperty(
    fc.nat(100_000),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(220),
    fc.nat(220),
    async (seed, kept, from, length) => {
      const pair = generatePair(seed)
      const { bitmapOffset } = pair.facts
      const size = kept > 0.5 ? pair.overlayBytes.length : bitmapOffset + Math.floor(kept * 40)
      const overlay = pair.overlayBytes.subarray(0, size)
      const sectors = pair.supplied.length
      const expected = Array.from({ length: sectors }, (_, i) => isSupplied(overlay, pair.facts, i))
      const reader = openBitmapReader(openMemoryStore(overlay), computeLayout(parsePair(pair)))
      const seen = new Array<boolean>(sectors).fill(false)
      let last = -1
      for await (const { startSector, endSector } of reader.runs(from, from + length)) {
        expect(startSector).toBeGreaterThan(last)
        expect(endSector).toBeGreaterThan(startSector)
        seen.fill(true, startSector, endSector)
        last = endSector
      }
      expect(seen).toEqual(expected.map((isSet, i) => isSet && i >= from && i < from + length))
    },
  )
  await fc.assert(property, { numRuns: runs(150) })
})
