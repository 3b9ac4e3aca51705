import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type DataMap,
  everythingIsData,
  knownStretches,
  probedStretches,
  probeLength,
} from '../../src/engine/data-map.js'
import type { Transfer } from '../../src/engine/step.js'
import { readPaddedNow, type SyncBlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount } from '../support/amount.js'

interface Found {
  readonly start: number
  readonly end: number
}

function runNow(steps: Iterable<Transfer>): void {
  for (const step of steps) readPaddedNow(step.store as SyncBlockStore, step.offset, step.bytes)
}

/** The windows of `unit` bytes that may hold data, asked as a merge asks: on from where something may be. */
function walk(map: DataMap, size: number, unit: number): Found[] {
  const windows: Found[] = []
  for (let at = 0; at < size; ) {
    if (map.end <= at) {
      const before = map.start
      runNow(map.find(at))
      expect(map.end).toBeGreaterThan(at)
      expect(map.start).toBeGreaterThanOrEqual(before)
    }
    if (map.start < at + unit) {
      windows.push({ start: at, end: at + unit })
      at += unit
    } else {
      at = Math.min(size, map.start - (map.start % unit))
    }
  }
  return windows
}

function expectOnlyZerosOutside(bytes: Uint8Array, found: readonly Found[]): void {
  const rest = Buffer.from(bytes)
  for (const { start, end } of found) rest.fill(0, Math.min(start, rest.length), Math.min(end, rest.length))
  expect(rest.equals(Buffer.alloc(rest.length))).toBe(true)
}

/** A file of stretches of zeros and data, in blocks of 4 KiB, and a tail of any length. */
interface Shape {
  readonly stretches: readonly { readonly isData: boolean; readonly length: number }[]
  readonly tail: number
  readonly tailIsData: boolean
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  stretches: fc.array(fc.record({ isData: fc.boolean(), length: fc.integer({ min: 1, max: 40 }) }), { maxLength: 8 }),
  tail: fc.nat(4095),
  tailIsData: fc.boolean(),
})

function bytesOf({ stretches, tail, tailIsData }: Shape): Buffer {
  const parts = stretches.map(({ isData, length }) => {
    const bytes = Buffer.alloc(length * 4096)
    // One byte at either end, and zeros between them.
    if (isData) bytes[0] = bytes[bytes.length - 1] = 1
    return bytes
  })
  return Buffer.concat([...parts, Buffer.alloc(tail, tailIsData ? 7 : 0)])
}

describe('probedStretches', () => {
  const probed = (bytes: Uint8Array, memoryLength: number) =>
    probedStretches(openMemoryStore(bytes), Buffer.alloc(memoryLength))

  it('has nothing but zeros outside of what it finds', () => {
    fc.assert(
      fc.property(
        shapes,
        fc.constantFrom(4096, 16384, 65536),
        fc.constantFrom(4096, 8192, 262144),
        (shape, memoryLength, unit) => {
          const bytes = bytesOf(shape)
          expectOnlyZerosOutside(bytes, walk(probed(bytes, memoryLength), bytes.length, unit))
        },
      ),
      { numRuns: amount({ quick: 100, deep: 300 }) },
    )
  })

  it('reads aligned blocks only, in order, none of them twice', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const bytes = bytesOf(shape)
        const reads: Found[] = []
        const store = openMemoryStore(bytes)
        const readNow = (offset: number, target: Uint8Array) => {
          reads.push({ start: offset, end: offset + target.length })
          return store.readNow(offset, target)
        }
        walk(
          probedStretches({ ...store, size: bytes.length, readNow } as SyncBlockStore, Buffer.alloc(16384)),
          bytes.length,
          4096,
        )
        let last = 0
        for (const { start, end } of reads) {
          expect([start % 4096, end % 4096, start >= last, end <= bytes.length]).toEqual([0, 0, true, true])
          last = end
        }
      }),
      { numRuns: amount({ quick: 33, deep: 100 }) },
    )
  })

  it('of an empty file finds nothing', () => {
    const map = probed(new Uint8Array(0), 4096)
    runNow(map.find(0))
    expect([map.start, map.end]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  })

  it.each([1, 511, 3 * 4096 + 1])('takes the short last block for data without a look, of %d bytes', (size) => {
    const start = size - (size % 4096)
    expect(walk(probed(new Uint8Array(size), 4096), size, 4096)).toEqual([{ start, end: start + 4096 }])
  })

  it('finds nothing beyond the end, where a larger virtual size may ask', () => {
    const map = probed(new Uint8Array(8192).fill(1), 4096)
    runNow(map.find(0))
    runNow(map.find(1 << 20))
    expect(map.start).toBe(Number.POSITIVE_INFINITY)
  })

  it('looks at ever less of a long stretch of data, and forgets that at a hole', () => {
    /** Where probes start, in units of one probe. */
    const probesOf = (bytes: Buffer) => {
      const store = openMemoryStore(bytes)
      const probes: number[] = []
      const readNow = (offset: number, target: Uint8Array) => {
        probes.push(offset / probeLength)
        return store.readNow(offset, target)
      }
      walk(
        probedStretches({ ...store, size: bytes.length, readNow } as SyncBlockStore, Buffer.alloc(probeLength)),
        bytes.length,
        4096,
      )
      return probes
    }
    // One probe, and 0, 1, 3, 7, ... times as much taken for data behind each.
    expect(probesOf(Buffer.alloc(40 * probeLength, 1))).toEqual([0, 1, 3, 7, 15, 31])
    const withHole = Buffer.alloc(20 * probeLength, 1).fill(0, 7 * probeLength, 10 * probeLength)
    expect(probesOf(withHole)).toEqual([0, 1, 3, 7, 8, 9, 10, 11, 13, 17])
  })
})

describe('knownStretches', () => {
  const lists = fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 50_000 }), length: fc.integer({ min: 1, max: 50_000 }) }))
    .map((parts) => {
      let at = 0
      return parts.flatMap(({ gap, length }) => {
        const start = at + gap
        at = start + length
        return [start, at]
      })
    })

  it('finds each stretch that reaches beyond where it is asked, or the end', () => {
    fc.assert(
      fc.property(lists, fc.constantFrom(4096, 65536), (list, unit) => {
        const map = knownStretches(Float64Array.from(list))
        for (let at = 0; at < (list.at(-1) ?? 0) + 2 * unit; at += unit) {
          runNow(map.find(at))
          const next = list.findIndex((end, i) => i % 2 === 1 && end > at)
          const expected =
            next < 0 ? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] : list.slice(next - 1, next + 1)
          expect([map.start, map.end]).toEqual(expected)
        }
      }),
    )
  })

  it('of none finds none', () => {
    expect(walk(knownStretches(new Float64Array(0)), 1 << 20, 4096)).toEqual([])
  })
})

it('everythingIsData has it all, and takes no steps', () => {
  const map = everythingIsData()
  expect([map.start, map.end, [...map.find(0)]]).toEqual([0, Number.POSITIVE_INFINITY, []])
})
