import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as withBuffer from '../../src/bytes/fast.js'

type Fast = typeof withBuffer

let without: Fast
const both = (run: (fast: Fast) => void) => [withBuffer, without].forEach(run)

beforeAll(async () => {
  vi.stubGlobal('Buffer', undefined)
  vi.resetModules()
  without = await import('../../src/bytes/fast.js')
  vi.unstubAllGlobals()
})

afterAll(() => void vi.resetModules())

/** The refusal is that of the npm package "buffer", which pages use for want of Node's. */
class PageBuffer extends Uint8Array {
  equals(other: Uint8Array): boolean {
    if (!(other instanceof PageBuffer)) throw new TypeError('Argument must be a Buffer')
    return false
  }
}

test("bytes are compared without a page's own Buffer, which refuses plain arrays", async () => {
  vi.stubGlobal('Buffer', PageBuffer)
  vi.resetModules()
  const { allocate, equalBytes } = await import('../../src/bytes/fast.js')
  vi.unstubAllGlobals()
  expect(equalBytes(allocate(2), Uint8Array.of(0, 0))).toBe(true)
  expect(allocate(1)).not.toBeInstanceOf(PageBuffer)
})

describe('bytes with Buffer and without', () => {
  test('are Buffers only where there is one', () => {
    expect(Buffer.isBuffer(withBuffer.allocate(1))).toBe(true)
    for (const make of [without.allocate, without.allocateUnsafe]) expect(Buffer.isBuffer(make(1))).toBe(false)
    expect(Buffer.isBuffer(without.utf8Bytes('a'))).toBe(false)
  })

  test('new memory has its length, and holds zeros where it says so', () => {
    both((fast) => {
      expect([...fast.allocate(3)]).toEqual([0, 0, 0])
      const own = fast.allocateUnsafe(5)
      expect([own.length, own.byteOffset, own.buffer.byteLength]).toEqual([5, 0, 5])
    })
  })

  test('bytes over memory share it, a copy does not', () => {
    both((fast) => {
      const memory = new ArrayBuffer(8)
      const part = fast.bytesOver(memory, 2, 3)
      const copy = fast.copyOf(part)
      new Uint8Array(memory)[2] = 7
      expect([[...part], [...copy]]).toEqual([
        [7, 0, 0],
        [0, 0, 0],
      ])
    })
  })

  test('parts are put together and filled up to a length', () => {
    both((fast) => {
      const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]
      expect([...fast.concatBytes(parts)]).toEqual([1, 2, 3])
      expect([...fast.concatBytes(parts, 5)]).toEqual([1, 2, 3, 0, 0])
      expect(fast.concatBytes([])).toHaveLength(0)
    })
  })

  test('a difference is found wherever it is and however the bytes lie', () => {
    const length = 150
    both((fast) => {
      for (const aFrom of [0, 1, 4]) {
        for (const bFrom of [0, 3, 4, 8]) {
          const a = new Uint8Array(length + 8).fill(5)
          const b = new Uint8Array(length + 8).fill(5)
          const compare = () => Math.sign(fast.compareBytes(a, aFrom, aFrom + length, b, bFrom, bFrom + length))
          expect(compare()).toBe(0)
          for (const at of [0, 1, 3, 4, 63, 64, 127, 148, 149]) {
            a[aFrom + at] = 200
            expect(compare(), `${at}`).toBe(1)
            a[aFrom + at] = 4
            expect(compare(), `${at}`).toBe(-1)
            a[aFrom + at] = 5
          }
          if (aFrom > 0) a[aFrom - 1] = 9
          a[aFrom + length] = 9
          expect(compare()).toBe(0)
        }
      }
    })
  })

  test('a shorter range that is the start of the other comes first', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    both((fast) => {
      expect(Math.sign(fast.compareBytes(bytes, 0, 2, bytes, 0, 3))).toBe(-1)
      expect(Math.sign(fast.compareBytes(bytes, 0, 3, bytes, 0, 2))).toBe(1)
      expect(fast.compareBytes(bytes, 1, 1, bytes, 2, 2)).toBe(0)
    })
  })

  test('are equal with the same length and bytes', () => {
    both((fast) => {
      expect(fast.equalBytes(Uint8Array.of(1, 2), Buffer.of(1, 2))).toBe(true)
      expect(fast.equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
      expect(fast.equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
      expect(fast.equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true)
    })
  })

  test('a byte is found from a place on', () => {
    both((fast) => {
      const bytes = Uint8Array.of(9, 1, 2, 1)
      expect(fast.indexOfByte(bytes, 1)).toBe(1)
      expect(fast.indexOfByte(bytes, 1, 2)).toBe(3)
      expect(fast.indexOfByte(bytes, 9, 1)).toBe(-1)
      expect(fast.indexOfByte(bytes, 1, 4)).toBe(-1)
      expect(fast.indexOfByte(bytes, 1, -1)).toBe(3)
    })
  })

  test('text is the bytes and the bytes are the text', () => {
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    both((fast) => {
      const text = fast.latin1Text(every)
      expect([...text].map((character) => character.charCodeAt(0))).toEqual([...every])
      expect([...fast.latin1Bytes(text)]).toEqual([...every])
      expect(fast.latin1Text(every.subarray(0x30), 1, 4)).toBe('123')
      expect(fast.latin1Text(every.subarray(0x41, 0x43), 0, 64)).toBe('AB')
      expect([...fast.latin1Bytes('\u{1f404}')]).toEqual([0x3d, 0x04])
      expect([...fast.utf8Bytes('Kuh \u{1f404} \ud800')]).toEqual([
        0x4b, 0x75, 0x68, 0x20, 0xf0, 0x9f, 0x90, 0x84, 0x20, 0xef, 0xbf, 0xbd,
      ])
    })
  })
})
