import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countSetBits, forEachSetRun } from '../../src/bytes/bitmap.js'
import { runs } from '../support/amount.js'

type Run = readonly [start: number, end: number]

function bitAt(bytes: Uint8Array, index: number): boolean {
  const byte = bytes[Math.floor(index / 8)] ?? 0
  return Math.floor(byte / 2 ** (index % 8)) % 2 === 1
}

function naiveRuns(bytes: Uint8Array, from: number, end: number): Run[] {
  const runs: Run[] = []
  let start = -1
  for (let i = from; i < end; i++) {
    if (bitAt(bytes, i) && start < 0) start = i
    if (!bitAt(bytes, i) && start >= 0) {
      runs.push([start, i])
      start = -1
    }
  }
  if (start >= 0) runs.push([start, end])
  return runs
}

function naiveCount(bytes: Uint8Array, end: number): number {
  let count = 0
  for (let i = 0; i < end; i++) if (bitAt(bytes, i)) count++
  return count
}

function runsOf(bytes: Uint8Array, from: number, end: number): Run[] {
  const runs: Run[] = []
  expect(forEachSetRun(bytes, from, end, (start, runEnd) => void runs.push([start, runEnd]))).toBe(end)
  return runs
}

/** The same runs, stopping after every `batch` of them and going on where the search stopped. */
function runsInBatches(bytes: Uint8Array, from: number, end: number, batch: number): Run[] {
  const runs: Run[] = []
  let at = from
  while (at < end) {
    let left = batch
    const next = forEachSetRun(bytes, at, end, (start, runEnd) => {
      runs.push([start, runEnd])
      return --left > 0
    })
    if (next <= at) throw new Error(`no progress at bit ${at}`)
    at = next
  }
  return runs
}

/** Copies `bytes` to an odd place in a larger buffer whose other bytes are all set. */
function embedded(bytes: Uint8Array, shift: number): Uint8Array {
  const larger = new Uint8Array(bytes.length + shift + 9).fill(0xff)
  larger.set(bytes, shift)
  return larger.subarray(shift, shift + bytes.length)
}

/** Stretches of one byte value, some longer than the 4 KiB that are skipped at once, some of noise. */
const stretches = fc
  .array(
    fc.record({
      length: fc.oneof(fc.nat(9), fc.constantFrom(4095, 4096, 4097, 8192, 9001)),
      fill: fc.oneof(fc.constantFrom(0, 0xff), fc.nat(255)),
      noise: fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 40 })),
    }),
    { maxLength: 4 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts.map((p) => p.noise ?? Buffer.alloc(p.length, p.fill)))))

describe('bit order', () => {
  test('is least significant bit first, byte after byte', () => {
    expect(runsOf(Uint8Array.of(0b00000001), 0, 8)).toEqual([[0, 1]])
    expect(runsOf(Uint8Array.of(0b10000000), 0, 8)).toEqual([[7, 8]])
    expect(runsOf(Uint8Array.of(0b10000000, 0b00000001), 0, 16)).toEqual([[7, 9]])
    expect(runsOf(Uint8Array.of(0, 0, 0, 0b10000000, 0b00000011), 0, 40)).toEqual([[31, 34]])
    expect(runsOf(Uint8Array.of(0b01011010), 0, 8)).toEqual([
      [1, 2],
      [3, 5],
      [6, 7],
    ])
  })

  test('goes on past the 31 bits of small integers', () => {
    const bytes = Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80)
    expect(runsOf(bytes, 0, 96)).toEqual([
      [32, 64],
      [95, 96],
    ])
    expect(countSetBits(bytes, 96)).toBe(33)
  })
})

describe('forEachSetRun', () => {
  test('sees nothing of no bits', () => {
    expect(runsOf(new Uint8Array(0), 0, 0)).toEqual([])
    expect(runsOf(Uint8Array.of(0xff), 5, 5)).toEqual([])
  })

  test('takes bits past the end of the bytes for clear', () => {
    expect(runsOf(embedded(Uint8Array.of(0xff), 3), 0, 100)).toEqual([[0, 8]])
    expect(runsOf(embedded(new Uint8Array(0), 3), 0, 33)).toEqual([])
    expect(runsOf(embedded(new Uint8Array(4096).fill(0xff), 1), 0, 40_000)).toEqual([[0, 32_768]])
  })

  test('joins a run over stretches that are skipped at once, and ends it at the end asked for', () => {
    const bytes = new Uint8Array(3 * 4096).fill(0xff)
    expect(runsOf(bytes, 0, 3 * 4096 * 8)).toEqual([[0, 3 * 4096 * 8]])
    expect(runsOf(bytes, 5, 4096 * 8 + 17)).toEqual([[5, 4096 * 8 + 17]])
    bytes[2 * 4096 - 1] = 0b01111111
    expect(runsOf(bytes, 1, 3 * 4096 * 8)).toEqual([
      [1, 2 * 4096 * 8 - 1],
      [2 * 4096 * 8, 3 * 4096 * 8],
    ])
  })

  test('finds the single bit at either side of a border of 4 KiB', () => {
    for (const bit of [4096 * 8 - 1, 4096 * 8, 4096 * 8 + 31, 2 * 4096 * 8 - 1, 2 * 4096 * 8]) {
      const bytes = new Uint8Array(3 * 4096 + 1)
      bytes[Math.floor(bit / 8)] = 2 ** (bit % 8)
      expect(runsOf(bytes, 0, bytes.length * 8)).toEqual([[bit, bit + 1]])
      expect(runsOf(bytes, bit, bit + 1)).toEqual([[bit, bit + 1]])
      expect(runsOf(bytes, bit + 1, bytes.length * 8)).toEqual([])
      expect(runsOf(bytes, 0, bit)).toEqual([])
    }
  })

  test('stops when it is told to and says where to go on', () => {
    const bytes = Uint8Array.of(0b00110011, 0b1)
    const seen: Run[] = []
    const next = forEachSetRun(bytes, 0, 16, (start, end) => {
      seen.push([start, end])
      return false
    })
    expect(seen).toEqual([[0, 2]])
    expect(next).toBe(2)
  })

  test('equals a loop over the bits, whole or in batches', () => {
    const property = fc.property(
      stretches,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(40),
      fc.nat(7),
      fc.integer({ min: 1, max: 5 }),
      (bytes, one, two, beyond, shift, batch) => {
        const bits = bytes.length * 8
        const [from, end] = [Math.floor(one * bits), Math.floor(two * bits) + (two > 0.9 ? beyond : 0)]
        const placed = embedded(bytes, shift)
        const expected = naiveRuns(bytes, from, end)
        const runs: Run[] = []
        forEachSetRun(placed, from, end, (start, runEnd) => void runs.push([start, runEnd]))
        expect(runs).toEqual(expected)
        expect(runsInBatches(placed, from, end, batch)).toEqual(expected)
      },
    )
    fc.assert(property, { numRuns: runs(150) })
  })

  test('equals a loop over the bits for every start and end of small bitmaps', () => {
    for (let length = 0; length <= 6; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (0xb4 * (i + 3)) % 251)
      const placed = embedded(bytes, length)
      for (let from = 0; from <= length * 8; from++) {
        for (let end = from; end <= length * 8; end++) {
          expect(runsOf(placed, from, end)).toEqual(naiveRuns(bytes, from, end))
        }
      }
    }
  })
})

describe('countSetBits', () => {
  test('counts every byte value right, in every place of a word', () => {
    for (let value = 0; value < 256; value++) {
      const bytes = Uint8Array.of(value, 0, value, 0xff, value)
      for (const end of [8, 24, 32, 40]) expect(countSetBits(bytes, end)).toBe(naiveCount(bytes, end))
    }
  })

  test.each([0, 1, 3, 4, 5, 100, 4095, 4096, 4097, 8192, 8195])(
    'counts %d bytes of clear and of set bits',
    (length) => {
      expect(countSetBits(new Uint8Array(length), length * 8)).toBe(0)
      expect(countSetBits(embedded(new Uint8Array(length), 3), length * 8)).toBe(0)
      expect(countSetBits(embedded(new Uint8Array(length).fill(0xff), 3), length * 8)).toBe(length * 8)
    },
  )

  test('does not count bits after the end asked for', () => {
    const bytes = new Uint8Array(2 * 4096)
    bytes.fill(0xff, 4096)
    for (const end of [4096 * 8, 4096 * 8 + 1, 4096 * 8 + 31, 4096 * 8 + 32, 4096 * 8 + 33]) {
      expect(countSetBits(bytes, end)).toBe(end - 4096 * 8)
    }
    // A clear stretch that starts before the end and is longer than what is asked for.
    const late = new Uint8Array(2 * 4096)
    expect(countSetBits(late, 64)).toBe(0)
  })

  test.each([1, 2, 4, 8] as const)('counts groups of %d bits with one that is set', (groupLength) => {
    const property = fc.property(stretches, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, share) => {
      const end = Math.round(share * bytes.length * 8)
      const groups = new Set<number>()
      for (let bit = 0; bit < end; bit++) {
        if (((bytes[Math.floor(bit / 8)] ?? 0) >> (bit % 8)) % 2 === 1) groups.add(Math.floor(bit / groupLength))
      }
      expect(countSetBits(bytes, end, groupLength)).toBe(groups.size)
    })
    fc.assert(property, { numRuns: runs(60) })
  })

  test('equals a loop over the bits', () => {
    const property = fc.property(
      stretches,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(7),
      (bytes, share, at) => {
        const end = Math.round(share * bytes.length * 8)
        expect(countSetBits(embedded(bytes, at), end)).toBe(naiveCount(bytes, end))
      },
    )
    fc.assert(property, { numRuns: runs(150) })
  })
})
