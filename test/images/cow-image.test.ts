import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { maxHeaderSize, parseCowHeader } from '../../src/formats/cow/index.js'
import { openCowImage } from '../../src/images/cow-image.js'
import type { Image } from '../../src/images/image.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openFileStore } from '../../src/machine/stores/file-store.js'
import { type BlockStore, readExact } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { countedStore, oneByteStore } from '../stores/faulty-stores.js'
import { amount } from '../support/amount.js'
import {
  type GeneratedPair,
  type GenerateOptions,
  generatePair,
  pairLayouts,
  pairPatterns,
} from '../support/generate.js'
import { mergeNaively } from '../support/naive.js'
import { temporaryDirectory } from '../support/paths.js'
import { collect, expectTiles, naiveExtents, openPair, parsePair, sameBytes } from './oracle.js'

/** A pair of a few dozen sectors, and a range of it that starts and ends anywhere. */
const scenes = fc
  .record({
    seed: fc.nat(1_000_000),
    layout: fc.constantFrom(...pairLayouts),
    pattern: fc.constantFrom(...pairPatterns),
    sectorSize: fc.constantFrom(512, 512, 1024, 4096),
    alignment: fc.constantFrom(1, 3, 512, 4096, 65_536),
    sectors: fc.integer({ min: 1, max: 60 }),
    cut: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 511 })),
    backing: fc.constantFrom('same', 'same', 'shorter', 'longer', 'empty'),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ seed, sectors, cut, backing, from, to, ...options }) => {
    const virtualSize = sectors * options.sectorSize - cut
    const backingSize = {
      same: virtualSize,
      shorter: Math.floor(virtualSize * 0.6) + 7,
      longer: virtualSize + 1234,
      empty: 0,
    }[backing]
    const pair = generatePair(seed, { ...options, virtualSize, backingSize })
    const [start, end] = [Math.floor(from * virtualSize), Math.floor(to * virtualSize)].sort((a, b) => a - b) as [
      number,
      number,
    ]
    const shown = `${pair.name}, backing file ${backing}, ${start} to ${end}`
    return { pair, start, length: end - start, [fc.toStringMethod]: () => shown }
  })

async function readRange(image: Image, start: number, length: number): Promise<Uint8Array> {
  // With bytes around it, so that a write beyond the range shows.
  const larger = new Uint8Array(length + 10).fill(0xa7)
  await image.read(start, larger.subarray(3, 3 + length))
  expect([...larger.subarray(0, 3), ...larger.subarray(3 + length)]).toEqual(new Array(10).fill(0xa7))
  return larger.subarray(3, 3 + length)
}

test('the oracle itself: merging by bits equals merging by the list of sectors', () => {
  for (let seed = 0; seed < 150; seed++) {
    const pair = generatePair(seed)
    const merged = new Uint8Array(pair.virtualSize)
    merged.set(pair.backingBytes)
    for (const [sector, fromOverlay] of pair.supplied.entries()) {
      const start = sector * pair.sectorSize
      const end = Math.min(start + pair.sectorSize, pair.virtualSize)
      const { dataOffset } = pair.facts
      if (fromOverlay) merged.set(pair.overlayBytes.subarray(dataOffset + start, dataOffset + end), start)
    }
    expect(sameBytes(pair.merged, merged), pair.name).toBe(true)
  }
})

describe('read', () => {
  test('equals the oracle on any range of any overlay', async () => {
    const property = fc.asyncProperty(scenes, async ({ pair, start, length }) => {
      const image = openPair(pair)
      expect(image.virtualSize).toBe(pair.virtualSize)
      const expected = pair.merged.subarray(start, start + length)
      expect(sameBytes(await readRange(image, start, length), expected), pair.name).toBe(true)
    })
    await fc.assert(property, { numRuns: amount({ quick: 50, deep: 300 }) })
  })

  test('equals the oracle on the whole of generated overlays of every size', async () => {
    for (let seed = 2000; seed < 2080; seed++) {
      const pair = generatePair(seed)
      expect(sameBytes(await readRange(openPair(pair), 0, pair.virtualSize), pair.merged), pair.name).toBe(true)
    }
  })

  test('is the same through a store that moves a byte at a time', async () => {
    const pair = generatePair(3, { layout: 'v3', virtualSize: 9 * 512 + 100, sectorSize: 512, pattern: 'alternating' })
    const backing = openRawImage(oneByteStore(openMemoryStore(pair.backingBytes)))
    const image = openCowImage(oneByteStore(openMemoryStore(pair.overlayBytes)), parsePair(pair), backing)
    expect(sameBytes(await readRange(image, 0, pair.virtualSize), pair.merged)).toBe(true)
    expect(sameBytes(await readRange(image, 511, 1026), pair.merged.subarray(511, 511 + 1026))).toBe(true)
  })

  test('has zeros where an overlay ends early', async () => {
    const property = fc.asyncProperty(
      scenes,
      fc.double({ min: 0, max: 1, noNaN: true }),
      async ({ pair, start, length }, kept) => {
        const { bitmapOffset } = pair.facts
        const size = bitmapOffset + Math.floor(kept * (pair.overlayBytes.length - bitmapOffset))
        const cut = pair.overlayBytes.subarray(0, size)
        const expected = mergeNaively(cut, pair.backingBytes, pair.facts).subarray(start, start + length)
        expect(sameBytes(await readRange(openPair(pair, cut), start, length), expected), pair.name).toBe(true)
      },
    )
    await fc.assert(property, { numRuns: amount({ quick: 25, deep: 150 }) })
  })

  test('leaves the sectors of versions 1 and 2 that have no bit to the backing file', async () => {
    for (const layout of ['v1', 'v2'] as const) {
      const pair = generatePair(9, { layout, sectorSize: 512, virtualSize: 15 * 512, pattern: 'full', strayBits: true })
      expect([...pair.supplied]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
      const tail = await readRange(openPair(pair), 8 * 512, 7 * 512)
      expect(sameBytes(tail, pair.backingBytes.subarray(8 * 512))).toBe(true)
    }
  })
})

describe('extents', () => {
  test('equal the oracle on any range of any overlay: exact, joined, in their places', async () => {
    const property = fc.asyncProperty(scenes, async ({ pair, start, length }) => {
      const extents = await collect(openPair(pair).extents(start, length))
      expectTiles(extents, start, length)
      expect(extents).toEqual(naiveExtents(pair, start, length))
    })
    await fc.assert(property, { numRuns: amount({ quick: 50, deep: 300 }) })
  })

  test('lead to the bytes that the guest reads', async () => {
    const property = fc.asyncProperty(scenes, async ({ pair, start, length }) => {
      for await (const extent of openPair(pair).extents(start, length)) {
        const guest = pair.merged.subarray(extent.start, extent.start + extent.length)
        if (extent.offset === undefined) {
          expect(guest.every((byte) => byte === 0)).toBe(true)
          continue
        }
        const file = extent.depth === 0 ? pair.overlayBytes : pair.backingBytes
        expect(sameBytes(file.subarray(extent.offset, extent.offset + extent.length), guest), pair.name).toBe(true)
      }
    })
    await fc.assert(property, { numRuns: amount({ quick: 25, deep: 150 }) })
  })

  test.each(['empty', 'full', 'alternating'] as const)(
    'of an empty range are none, wherever it lies: %s',
    async (pattern) => {
      const pair = generatePair(4, { layout: 'v3', sectorSize: 512, virtualSize: 5000, pattern })
      for (const start of [0, 1, 511, 512, 513, 1500, 4999, 5000]) {
        expect(await collect(openPair(pair).extents(start, 0)), `at ${start}`).toEqual([])
      }
    },
  )

  test('of an empty disk are none', async () => {
    for (const layout of ['v1', 'v2', 'v3', 'v3padded'] as const) {
      const pair = generatePair(4, { layout, virtualSize: 0 })
      const image = openPair(pair)
      expect(await collect(image.extents(0, 0))).toEqual([])
      await image.read(0, new Uint8Array(0))
    }
  })
})

describe('a range beyond the disk', () => {
  const pair = generatePair(4, { virtualSize: 5000, sectorSize: 512 })

  test.each([
    [0, 5001],
    [5000, 1],
    [5001, 0],
    [4999, 2],
    [-1, 1],
    [0, -1],
    [1.5, 1],
    [1, 1.5],
    [Number.NaN, 1],
    [2 ** 53, 1],
  ])('%d, %d is refused', async (start, length) => {
    const image = openPair(pair)
    const details = expect.objectContaining({ code: 'OUT_OF_RANGE' })
    expect(() => image.extents(start, length)).toThrow(details)
    if (length >= 0 && Number.isInteger(length)) {
      await expect(image.read(start, new Uint8Array(length))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    }
  })
})

describe('two iterations at once', () => {
  test('over one image do not disturb each other', async () => {
    const pair = generatePair(5, { layout: 'v3', sectorSize: 512, virtualSize: 200 * 512, pattern: 'random' })
    const image = openPair(pair)
    const whole = await collect(image.extents(0, pair.virtualSize))
    const iterators = [image.extents(0, pair.virtualSize), image.extents(700, 50_000)].map((one) =>
      one[Symbol.asyncIterator](),
    )
    const found: unknown[][] = [[], []]
    for (let ended = 0; ended < 2; ) {
      ended = 0
      for (const [index, iterator] of iterators.entries()) {
        const { value, done } = await iterator.next()
        if (done) ended++
        else found[index]?.push(value)
      }
    }
    expect(found[0]).toEqual(whole)
    expect(found[1]).toEqual(naiveExtents(pair, 700, 50_000))
    expect(whole).toEqual(naiveExtents(pair, 0, pair.virtualSize))
  })

  test('and reads in between change nothing', async () => {
    const pair = generatePair(6, { layout: 'v3', sectorSize: 512, virtualSize: 100 * 512, pattern: 'runs' })
    const image = openPair(pair)
    const found = []
    for await (const extent of image.extents(0, pair.virtualSize)) {
      found.push(extent)
      await image.read(pair.virtualSize - 1000, new Uint8Array(1000))
    }
    expect(found).toEqual(naiveExtents(pair, 0, pair.virtualSize))
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => readRange(image, i * 700, 900)))
    for (const [i, bytes] of all.entries()) {
      expect(sameBytes(bytes, pair.merged.subarray(i * 700, i * 700 + 900))).toBe(true)
    }
  })
})

describe('an overlay over an overlay', () => {
  test('is read through both, and tells how deep', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const options: GenerateOptions = { sectorSize: 512, virtualSize: 40 * 512 - seed * 3, pattern: 'runs' }
      const middle = generatePair(seed, { ...options, sectorSize: 1024 })
      const top = generatePair(seed + 500, options)
      const image = openCowImage(openMemoryStore(top.overlayBytes), parsePair(top), openPair(middle))
      const onMiddle = mergeNaively(top.overlayBytes, middle.merged, top.facts)
      expect(sameBytes(await readRange(image, 5, top.virtualSize - 5), onMiddle.subarray(5))).toBe(true)
      const extents = await collect(image.extents(5, top.virtualSize - 10))
      expectTiles(extents, 5, top.virtualSize - 10)
      const files = [top.overlayBytes, middle.overlayBytes, middle.backingBytes]
      for (const { start, length, depth, offset, data, zero } of extents) {
        expect({ data, zero }).toEqual({ data: true, zero: false })
        const stored = files[depth]!.subarray(offset, offset! + length)
        expect(sameBytes(stored, onMiddle.subarray(start, start + length))).toBe(true)
        const fromTop = top.supplied[Math.floor(start / 512)] === 1
        expect(depth).toBe(fromTop ? 0 : middle.supplied[Math.floor(start / 1024)] === 1 ? 1 : 2)
      }
      for (const [i, extent] of extents.slice(1).entries()) {
        const before = extents[i]!
        expect(before.depth === extent.depth && before.offset! + before.length === extent.offset).toBe(false)
      }
    }
  })
})

describe('close', () => {
  function counted(pair: GeneratedPair) {
    const overlay = countedStore(openMemoryStore(pair.overlayBytes))
    const backing = countedStore(openMemoryStore(pair.backingBytes))
    return { overlay, backing, image: openCowImage(overlay, parsePair(pair), openRawImage(backing)) }
  }

  test('closes both files', async () => {
    const { overlay, backing, image } = counted(generatePair(1, { virtualSize: 4096 }))
    await image.close()
    expect([overlay.closed, backing.closed]).toEqual([1, 1])
  })

  test('closes the overlay, too, when the backing file cannot be closed', async () => {
    const pair = generatePair(1, { virtualSize: 4096 })
    const overlay = countedStore(openMemoryStore(pair.overlayBytes))
    const failing = {
      ...openRawImage(openMemoryStore(pair.backingBytes)),
      close: () => Promise.reject(new Error('EIO')),
    }
    await expect(openCowImage(overlay, parsePair(pair), failing).close()).rejects.toThrow('EIO')
    expect(overlay.closed).toBe(1)
  })
})

test('a store that fails makes the read fail, and no bytes are made up', async () => {
  const pair = generatePair(1, { layout: 'v3', virtualSize: 4096, sectorSize: 512, pattern: 'alternating' })
  const failure = Object.assign(new Error('EIO'), { code: 'EIO' })
  for (const which of ['overlay', 'backing'] as const) {
    const failing = (store: BlockStore) => ({
      ...countedStore(store),
      size: store.size,
      read: () => Promise.reject(failure),
    })
    const stores = { overlay: openMemoryStore(pair.overlayBytes), backing: openMemoryStore(pair.backingBytes) }
    const overlay = which === 'overlay' ? failing(stores.overlay) : stores.overlay
    const backing = which === 'backing' ? failing(stores.backing) : stores.backing
    const image = openCowImage(overlay, parsePair(pair), openRawImage(backing))
    await expect(image.read(0, new Uint8Array(4096))).rejects.toBe(failure)
    if (which === 'overlay') await expect(collect(image.extents(0, 4096))).rejects.toBe(failure)
  }
})

describe('the fixtures', () => {
  test.each(listPairs().map(({ kind }) => kind))('%s is the disk that its maker saw', async (kind) => {
    const pair = unpackPair(kind, temporaryDirectory())
    for (const [index, { guestSha256, mergedSha256, sectorsAllocated }] of pair.overlays.entries()) {
      const overlay = await openFileStore(pair.paths.overlays[index]!, 'read')
      const headerBytes = new Uint8Array(Math.min(maxHeaderSize, overlay.size))
      await readExact(overlay, 0, headerBytes)
      const header = parseCowHeader(headerBytes, { fileSize: overlay.size })
      const image = openCowImage(overlay, header, openRawImage(await openFileStore(pair.paths.backing, 'read')))
      try {
        const hash = createHash('sha256')
        // An odd piece size, so that pieces begin and end inside sectors.
        const part = new Uint8Array(999_983)
        for (let at = 0; at < image.virtualSize; at += part.length) {
          const piece = part.subarray(0, Math.min(part.length, image.virtualSize - at))
          await image.read(at, piece)
          hash.update(piece)
        }
        expect(hash.digest('hex')).toBe(guestSha256 ?? mergedSha256)
        const extents = await collect(image.extents(0, image.virtualSize))
        expectTiles(extents, 0, image.virtualSize)
        const fromOverlay = extents.filter(({ depth }) => depth === 0).reduce((sum, { length }) => sum + length, 0)
        const wholeSectors = Math.ceil(fromOverlay / header.sectorSize)
        expect(wholeSectors).toBe(sectorsAllocated)
      } finally {
        await image.close()
      }
    }
  })
})
