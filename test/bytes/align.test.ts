import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ceilDivide, ceilTo, floorDivide, floorTo, isPowerOfTwo } from '../../src/bytes/align.js'
import { runs } from '../support/amount.js'

const largest = Number.MAX_SAFE_INTEGER

describe('rounding', () => {
  test.each([
    // value, unit, floorTo, ceilTo
    [0, 1, 0, 0],
    [0, 512, 0, 0],
    [1, 512, 0, 512],
    [511, 512, 0, 512],
    [512, 512, 512, 512],
    [513, 512, 512, 1024],
    [7, 3, 6, 9],
    [2 ** 31, 512, 2 ** 31, 2 ** 31],
    [2 ** 31 + 1, 512, 2 ** 31, 2 ** 31 + 512],
    [2 ** 32 - 1, 4096, 2 ** 32 - 4096, 2 ** 32],
    [2 ** 41 + 1, 2 ** 30, 2 ** 41, 2 ** 41 + 2 ** 30],
    [largest - 1, 1, largest - 1, largest - 1],
    [largest, 1, largest, largest],
    [largest, 512, 2 ** 53 - 512, 2 ** 53],
    [largest - 511, 512, 2 ** 53 - 512, 2 ** 53 - 512],
  ])('of %d to %d', (value, unit, floor, ceil) => {
    expect(floorTo(value, unit)).toBe(floor)
    expect(ceilTo(value, unit)).toBe(ceil)
    expect(floorDivide(value, unit)).toBe(floor / unit)
    expect(ceilDivide(value, unit)).toBe(ceil / unit)
  })

  test('agrees with exact integers wherever the result is safe', () => {
    const value = fc.oneof(
      fc.maxSafeNat(),
      fc.nat(1000),
      fc.nat(2 ** 20).map((below) => largest - below),
    )
    const unit = fc.oneof(
      fc.integer({ min: 1, max: 2 ** 30 }),
      fc.nat(30).map((power) => 2 ** power),
    )
    const property = fc.property(value, unit, (value, unit) => {
      const floor = BigInt(value) / BigInt(unit)
      const ceil = (BigInt(value) + BigInt(unit) - 1n) / BigInt(unit)
      expect(BigInt(floorTo(value, unit))).toBe(floor * BigInt(unit))
      expect(BigInt(floorDivide(value, unit))).toBe(floor)
      if (ceil * BigInt(unit) <= BigInt(2 ** 53)) {
        expect(BigInt(ceilTo(value, unit))).toBe(ceil * BigInt(unit))
        expect(BigInt(ceilDivide(value, unit))).toBe(ceil)
      }
    })
    fc.assert(property, { numRuns: runs(2000) })
  })

  test('up, divided, is exact for every safe integer, even where the multiple itself is not safe', () => {
    expect(ceilDivide(largest, 3)).toBe(3002399751580331)
    expect(ceilDivide(largest, 10)).toBe(900719925474100)
    expect(ceilDivide(largest, 512)).toBe(2 ** 44)
  })

  test('never turns what is not safe into something that looks safe', () => {
    expect(Number.isSafeInteger(ceilTo(largest, 65536))).toBe(false)
    expect(Number.isSafeInteger(ceilTo(largest, 3))).toBe(false)
    expect(Number.isFinite(ceilTo(Number.POSITIVE_INFINITY, 512))).toBe(false)
  })
})

describe('isPowerOfTwo', () => {
  test('is true for 1 to 2^31', () => {
    for (let power = 0; power <= 31; power++) expect(isPowerOfTwo(2 ** power)).toBe(true)
  })

  test('is false for everything beside them', () => {
    for (let power = 2; power <= 31; power++) {
      for (const near of [2 ** power - 1, 2 ** power + 1]) {
        expect(isPowerOfTwo(near), String(near)).toBe(false)
      }
    }
    for (const value of [0, -1, -2, -512, 3, 1536, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(isPowerOfTwo(value), String(value)).toBe(false)
    }
  })
})
