import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { imageStore } from '../../src/images/image-store.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { countedStore } from '../stores/faulty-stores.js'
import { runs } from '../support/amount.js'
import { generatePair } from '../support/generate.js'
import { collect, openPair, sameBytes } from './oracle.js'

const noise = Uint8Array.from({ length: 5000 }, (_, i) => ((i * 31) % 255) + 1)

describe('a raw image', () => {
  test('is the bytes of its store', async () => {
    const property = fc.asyncProperty(fc.nat(5000), fc.nat(5000), async (one, other) => {
      const [start, end] = one < other ? [one, other] : [other, one]
      const image = openRawImage(openMemoryStore(noise))
      expect(image.virtualSize).toBe(5000)
      const target = new Uint8Array(end - start)
      await image.read(start, target)
      expect(sameBytes(target, noise.subarray(start, end))).toBe(true)
      const extent = { start, length: end - start, depth: 0, data: true, zero: false, offset: start }
      expect(await collect(image.extents(start, end - start))).toEqual(end > start ? [extent] : [])
    })
    await fc.assert(property, { numRuns: runs(100) })
  })

  test('that is longer than its store goes on in zeros', async () => {
    const image = openRawImage(openMemoryStore(noise), 6000)
    const target = new Uint8Array(1100).fill(0xee)
    await image.read(4900, target)
    expect(sameBytes(target.subarray(0, 100), noise.subarray(4900))).toBe(true)
    expect(target.subarray(100).every((byte) => byte === 0)).toBe(true)
    const stored = { start: 4900, length: 100, depth: 0, data: true, zero: false, offset: 4900 }
    const beyond = { start: 5000, length: 1000, depth: 0, data: false, zero: true }
    expect(await collect(image.extents(4900, 1100))).toEqual([stored, beyond])
    expect(await collect(image.extents(5500, 500))).toEqual([{ ...beyond, start: 5500, length: 500 }])
  })

  test('that is shorter than its store ends where it says', async () => {
    const image = openRawImage(openMemoryStore(noise), 100)
    await expect(image.read(99, new Uint8Array(2))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    expect(await collect(image.extents(0, 100))).toEqual([
      { start: 0, length: 100, depth: 0, data: true, zero: false, offset: 0 },
    ])
  })

  test.each([
    [0, 5001],
    [5001, 0],
    [-1, 2],
    [0.5, 1],
  ])('refuses %d, %d', async (start, length) => {
    const image = openRawImage(openMemoryStore(noise))
    await expect(image.read(start, new Uint8Array(length))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    await expect(collect(image.extents(start, length))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
  })

  test('closes its store', async () => {
    const store = countedStore(openMemoryStore(noise))
    await openRawImage(store).close()
    expect(store.closed).toBe(1)
  })
})

describe('an image as a store', () => {
  test('reads as the image does, less at its end and nothing past it', async () => {
    const pair = generatePair(5, { virtualSize: 5000, sectorSize: 512 })
    const store = imageStore(openPair(pair), 'chain')
    expect(store.size).toBe(5000)
    for (const [offset, length, expected] of [
      [0, 5000, 5000],
      [1, 700, 700],
      [4990, 100, 10],
      [5000, 10, 0],
      [90_000, 10, 0],
    ] as const) {
      const target = new Uint8Array(length).fill(0xee)
      expect(await store.read(offset, target)).toBe(expected)
      expect(sameBytes(target.subarray(0, expected), pair.merged.subarray(offset, offset + expected))).toBe(true)
      expect(target.subarray(expected).every((byte) => byte === 0xee)).toBe(true)
    }
  })

  test('is not written to', async () => {
    const store = imageStore(openRawImage(openMemoryStore(noise)), 'chain')
    await expect(store.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    await expect(store.truncate(0)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    await store.sync()
  })

  test('closes the image', async () => {
    const inner = countedStore(openMemoryStore(noise))
    await imageStore(openRawImage(inner), 'chain').close()
    expect(inner.closed).toBe(1)
  })
})
