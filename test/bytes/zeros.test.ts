import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { forEachDataStretch, isZero, leadingZeros, zeroBlockSize } from '../../src/bytes/zeros.js'
import { runs } from '../support/amount.js'

type Stretch = readonly [start: number, end: number]

function stretchesOf(bytes: Uint8Array): Stretch[] {
  const stretches: Stretch[] = []
  forEachDataStretch(bytes, bytes.length, (start, end) => stretches.push([start, end]))
  return stretches
}

function naiveStretches(bytes: Uint8Array): Stretch[] {
  const stretches: Stretch[] = []
  let start = -1
  for (let at = 0; at < bytes.length; at += zeroBlockSize) {
    const hasData = bytes.subarray(at, at + zeroBlockSize).some((byte) => byte !== 0)
    if (hasData && start < 0) start = at
    if (!hasData && start >= 0) {
      stretches.push([start, at])
      start = -1
    }
  }
  if (start >= 0) stretches.push([start, bytes.length])
  return stretches
}

function withDataAt(length: number, offsets: readonly number[], shift = 0): Uint8Array {
  const larger = new Uint8Array(length + shift + 5).fill(0x77)
  const bytes = larger.subarray(shift, shift + length)
  bytes.fill(0)
  for (const offset of offsets) bytes[offset] = 1
  return bytes
}

describe('forEachDataStretch', () => {
  test('knows blocks of 4 KiB, the page and block size of common hosts', () => {
    expect(zeroBlockSize).toBe(4096)
  })

  test.each([
    [0, [], []],
    [1, [], []],
    [1, [0], [[0, 1]]],
    [4096, [4095], [[0, 4096]]],
    [4097, [4096], [[4096, 4097]]],
    [4097, [0], [[0, 4096]]],
    [5000, [0, 4999], [[0, 5000]]],
    [
      3 * 4096,
      [0, 2 * 4096],
      [
        [0, 4096],
        [2 * 4096, 3 * 4096],
      ],
    ],
    [3 * 4096 + 7, [4096, 2 * 4096, 3 * 4096 + 6], [[4096, 3 * 4096 + 7]]],
  ] as [number, number[], Stretch[]][])('of %d bytes with data at %j', (length, offsets, expected) => {
    expect(stretchesOf(withDataAt(length, offsets))).toEqual(expected)
    expect(stretchesOf(withDataAt(length, offsets, 3))).toEqual(expected)
  })

  test('equals a loop over the bytes', () => {
    const property = fc.property(
      fc.nat(5 * 4096 + 100),
      fc.array(fc.nat(5 * 4096 + 99), { maxLength: 4 }),
      fc.nat(9),
      (length, offsets, shift) => {
        const inside = offsets.filter((offset) => offset < length)
        const bytes = withDataAt(length, inside, shift)
        expect(stretchesOf(bytes)).toEqual(naiveStretches(bytes))
        expect(isZero(bytes)).toBe(inside.length === 0)
      },
    )
    fc.assert(property, { numRuns: runs(300) })
  })
})

describe('isZero', () => {
  test('sees one bit anywhere', () => {
    for (const length of [1, 2, 511, 4095, 4096, 4097, 8192, 9000]) {
      expect(isZero(withDataAt(length, [], 1))).toBe(true)
      for (const offset of [0, Math.floor(length / 2), length - 1]) {
        expect(isZero(withDataAt(length, [offset], 1)), `${offset} of ${length}`).toBe(false)
      }
    }
    expect(isZero(new Uint8Array(0))).toBe(true)
  })
})

describe('leadingZeros', () => {
  const stretch = 64 * 1024

  test.each([
    [0, null, 0],
    [1, null, 1],
    [1, 0, 0],
    [4096, 4095, 0],
    [4097, null, 4097],
    [4097, 4096, 4096],
    [8191, 8190, 4096],
    [stretch, null, stretch],
    [stretch, stretch - 1, stretch - 4096],
    [stretch + 1, stretch, stretch],
    [stretch + 4096, stretch + 1, stretch],
    [stretch + 5000, stretch + 4096, stretch + 4096],
    [2 * stretch + 9, stretch + 4095, stretch],
    [2 * stretch + 9, null, 2 * stretch + 9],
  ])('of %d bytes with data at %s: %d', (length, offset, expected) => {
    const offsets = offset === null ? [] : [offset]
    expect(leadingZeros(withDataAt(length, offsets))).toBe(expected)
    expect(leadingZeros(withDataAt(length, offsets, 3))).toBe(expected)
  })

  test('is where the first stretch of data starts', () => {
    const property = fc.property(
      fc.nat(3 * stretch),
      fc.array(fc.nat(3 * stretch), { maxLength: 3 }),
      fc.nat(9),
      (length, offsets, shift) => {
        const bytes = withDataAt(
          length,
          offsets.filter((offset) => offset < length),
          shift,
        )
        expect(leadingZeros(bytes)).toBe(stretchesOf(bytes)[0]?.[0] ?? length)
      },
    )
    fc.assert(property, { numRuns: runs(200) })
  })
})
