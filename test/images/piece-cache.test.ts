import { describe, expect, test } from 'vitest'
import { openCowImage } from '../../src/images/cow-image.js'
import { cachedPieces, pieceCache, pieceSize } from '../../src/images/piece-cache.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { countedStore } from '../stores/faulty-stores.js'
import { generatePair } from '../support/generate.js'
import { parsePair, sameBytes } from './oracle.js'

const pieceCount = cachedPieces + 3
/** Where the bitmap starts. */
const start = 1000
const length = (pieceCount - 1) * pieceSize + 77

/** The first byte of a piece. */
function mark(index: number): number {
  return 1 + (index % 251)
}

function store() {
  const bytes = new Uint8Array(start + length)
  for (let index = 0; index < pieceCount; index++) bytes[start + index * pieceSize] = mark(index)
  return countedStore(openMemoryStore(bytes))
}

describe('the pieces of a bitmap', () => {
  test('are read once, in any order, and the last one is short', async () => {
    const counted = store()
    const pieceAt = pieceCache(counted, start, length)
    for (const index of [5, 0, pieceCount - 1, 5, 0, 5, pieceCount - 1]) {
      const piece = await pieceAt(index)
      expect(piece[0]).toBe(mark(index))
      expect(piece.length).toBe(index === pieceCount - 1 ? 77 : pieceSize)
    }
    expect(counted.reads).toBe(3)
  })

  test('are at hand without a promise, and from the start where the store reads at once', async () => {
    const pieceAt = pieceCache(store(), start, length)
    expect(pieceAt(1)).toBeInstanceOf(Promise)
    await pieceAt(1)
    expect(pieceAt(1)).toBeInstanceOf(Uint8Array)
    expect(pieceCache(openMemoryStore(new Uint8Array(4096)), 0, 4096)(0)).toBeInstanceOf(Uint8Array)
  })

  test('are read once by many who ask at the same time', async () => {
    const counted = store()
    const pieceAt = pieceCache(counted, start, length)
    const pieces = await Promise.all(Array.from({ length: 20 }, () => pieceAt(2)))
    expect(new Set(pieces).size).toBe(1)
    expect(counted.reads).toBe(1)
  })

  test('make way, the one that was asked for longest ago first, and those in use stay as they are', async () => {
    const counted = store()
    const pieceAt = pieceCache(counted, start, length)
    const first = await pieceAt(0)
    for (let index = 1; index < cachedPieces; index++) await pieceAt(index)
    await pieceAt(0)
    expect(counted.reads).toBe(cachedPieces)
    await pieceAt(cachedPieces)
    expect(pieceAt(0)).toBe(first)
    expect(pieceAt(1)).toBeInstanceOf(Promise)
    expect((await pieceAt(1))[0]).toBe(mark(1))
    expect(counted.reads).toBe(cachedPieces + 2)
    for (let index = 0; index < pieceCount; index++) await pieceAt(index)
    expect(first[0]).toBe(mark(0))
  })

  test('are asked for again after a failure', async () => {
    let failing = true
    const counted = store()
    const flaky = {
      ...counted,
      size: counted.size,
      read: (offset: number, target: Uint8Array) =>
        failing ? Promise.reject(new Error('EIO')) : counted.read(offset, target),
    }
    const pieceAt = pieceCache(flaky, start, length)
    await expect(pieceAt(3)).rejects.toThrow('EIO')
    failing = false
    expect((await pieceAt(3))[0]).toBe(mark(3))
  })
})

test('an image reads a piece of its bitmap once, however many reads and walks there are', async () => {
  const pair = generatePair(6, { layout: 'v3', sectorSize: 512, virtualSize: 100 * 512, pattern: 'full' })
  const overlay = countedStore(openMemoryStore(pair.overlayBytes))
  const image = openCowImage(overlay, parsePair(pair), openRawImage(openMemoryStore(pair.backingBytes)))
  for (let at = 0; at + 1000 <= pair.virtualSize; at += 1000) {
    const bytes = new Uint8Array(1000)
    await image.read(at, bytes)
    expect(sameBytes(bytes, pair.merged.subarray(at, at + 1000))).toBe(true)
  }
  const reads = Math.floor(pair.virtualSize / 1000)
  for await (const _ of image.extents(0, pair.virtualSize));
  expect(overlay.reads).toBe(reads + 1)
})
