import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defineStruct, type Field, type Struct, viewOf } from '../../src/bytes/struct.js'
import { runs } from '../support/amount.js'

const sample = defineStruct([
  ['magic', 'u32'],
  ['size', 'u64'],
  ['name', 5],
  ['tail', 'u32'],
])

describe('a structure', () => {
  test('is packed: offsets are sums of the lengths before', () => {
    expect(sample.size).toBe(21)
    expect(['magic', 'size', 'name', 'tail'].map((name) => sample.offsetOf(name as 'magic'))).toEqual([0, 4, 12, 17])
    expect(['magic', 'size', 'name', 'tail'].map((name) => sample.lengthOf(name as 'magic'))).toEqual([4, 8, 5, 4])
  })

  const values = {
    magic: 0x01020304,
    size: 0x0005060708090a,
    name: Uint8Array.of(1, 2, 3, 4, 5),
    tail: 0xfffefdfc,
  }
  const big = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 0xff, 0xfe, 0xfd, 0xfc]
  const little = [4, 3, 2, 1, 10, 9, 8, 7, 6, 5, 0, 0, 1, 2, 3, 4, 5, 0xfc, 0xfd, 0xfe, 0xff]

  test.each([
    ['big', false, big],
    ['little', true, little],
  ] as const)('has known bytes, %s-endian, in both directions', (_order, littleEndian, bytes) => {
    expect([...sample.serialize(values, littleEndian)]).toEqual(bytes)
    expect(sample.parse(Uint8Array.from(bytes), littleEndian)).toEqual(values)
  })

  test('is read from a view into a larger buffer, at an odd offset, and never beyond it', () => {
    const larger = new Uint8Array(64).fill(0xee)
    larger.set(big, 7)
    expect(sample.parse(larger.subarray(7, 7 + 21), false)).toEqual(values)
    expect(sample.parse(larger.subarray(7), false)).toEqual(values)
    expect(() => sample.parse(larger.subarray(7, 7 + 20), false)).toThrow(RangeError)
  })

  test.each([
    ['an array', Uint8Array.from(big)],
    ['a Buffer, whose slice shares memory', Buffer.from(big)],
  ])('gives byte strings that are copies of %s', (_what, bytes) => {
    const { name } = sample.parse(bytes, false)
    bytes.fill(0)
    expect([...name]).toEqual([1, 2, 3, 4, 5])
  })

  test('turns what is above 2^53 - 1 into infinity and keeps what is not', () => {
    const only = defineStruct([['size', 'u64']])
    const parse = (value: bigint) => {
      const bytes = new Uint8Array(8)
      viewOf(bytes).setBigUint64(0, value)
      return only.parse(bytes, false).size
    }
    expect(parse(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER)
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(parse(value)).toBe(Number.POSITIVE_INFINITY)
    }
  })

  test('pads a byte string with zeros and cuts it to its field', () => {
    const only = defineStruct([
      ['name', 3],
      ['mark', 'u32'],
    ])
    expect([...only.serialize({ name: Uint8Array.of(9), mark: 1 }, false)]).toEqual([9, 0, 0, 0, 0, 0, 1])
    expect([...only.serialize({ name: Uint8Array.of(9, 8, 7, 6, 5), mark: 1 }, false)]).toEqual([9, 8, 7, 0, 0, 0, 1])
  })
})

describe('every kind of field', () => {
  test.each([
    ['u32', defineStruct([['only', 'u32']])],
    ['u64', defineStruct([['only', 'u64']])],
    ['a byte string', defineStruct([['only', 2]])],
  ] as readonly [string, Struct<readonly Field[]>][])('%s refuses input that is too short', (_kind, struct) => {
    for (let length = 0; length < struct.size; length++) {
      // The bytes behind the subarray are there: a view without bounds would read them.
      const input = new Uint8Array(32).subarray(5, 5 + length)
      expect(() => struct.parse(input, false)).toThrow(RangeError)
    }
    expect(() => struct.parse(new Uint8Array(32).subarray(5, 5 + struct.size), false)).not.toThrow()
  })
})

test('what is serialized parses to the same, for any list of fields', () => {
  const kind = fc.oneof(fc.constantFrom(...(['u8', 'u16', 'u32', 'u64'] as const)), fc.integer({ min: 1, max: 9 }))
  const property = fc.property(
    fc.array(kind, { minLength: 1, maxLength: 8 }),
    fc.boolean(),
    fc.nat(9),
    fc.infiniteStream(fc.maxSafeNat()),
    (kinds, littleEndian, shift, numbers) => {
      const fields: Field[] = kinds.map((kind, index) => [`field${index}`, kind])
      const struct = defineStruct(fields)
      const values: Record<string, number | Uint8Array> = {}
      for (const [name, kind] of fields) {
        const number = numbers.next().value
        if (typeof kind === 'string') values[name] = number % 2 ** Number(kind.slice(1))
        else values[name] = Uint8Array.from({ length: kind }, (_, i) => (number + i * 37) % 256)
      }
      const bytes = struct.serialize(values as Record<string, never>, littleEndian)
      expect(bytes.length).toBe(struct.size)
      const larger = new Uint8Array(bytes.length + shift + 3).fill(0xa5)
      larger.set(bytes, shift)
      const parsed = struct.parse(larger.subarray(shift, shift + bytes.length), littleEndian)
      expect(parsed).toEqual(values)
      expect(struct.serialize(parsed, littleEndian)).toEqual(bytes)
      // The other byte order is another reading unless all is symmetric.
      expect(struct.parse(struct.serialize(values as Record<string, never>, !littleEndian), !littleEndian)).toEqual(
        values,
      )
    },
  )
  fc.assert(property, { numRuns: runs(300) })
})
