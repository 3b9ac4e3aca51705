import { describe, expect, test } from 'vitest'
import { storedReader } from '../../src/images/read-stored.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { countedStore } from '../stores/faulty-stores.js'

const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251)

describe('storedReader', () => {
  test.each([
    ['at once', () => openMemoryStore(bytes)],
    ['by promises', () => countedStore(openMemoryStore(bytes))],
  ])('fills parts of every length, with zeros beyond the end, %s', async (_name, open) => {
    const read = storedReader(open())
    for (const [offset, length] of [
      [0, 1],
      [100, 4096],
      [7, 64 * 1024],
      [7, 64 * 1024 + 1],
      [199_990, 100],
      [300_000, 5],
      [3, 0],
    ] as const) {
      const target = new Uint8Array(length).fill(0xff)
      await read(offset, target)
      expect(target.every((byte, i) => byte === (bytes[offset + i] ?? 0))).toBe(true)
    }
  })

  test('takes no promise for a small part of a store that can read at once, and one for others', () => {
    expect(storedReader(openMemoryStore(bytes))(0, new Uint8Array(4096))).toBeUndefined()
    expect(storedReader(openMemoryStore(bytes))(0, new Uint8Array(100_000))).toBeInstanceOf(Promise)
    expect(storedReader(countedStore(openMemoryStore(bytes)))(0, new Uint8Array(1))).toBeInstanceOf(Promise)
  })

  test('gives the event loop a turn after 25 ms of reads', async () => {
    const slow = {
      ...openMemoryStore(bytes),
      size: bytes.length,
      readNow: (_offset: number, target: Uint8Array) => {
        for (const until = performance.now() + 10; performance.now() < until; );
        return target.length
      },
    }
    const read = storedReader(slow)
    let turned = false
    setImmediate(() => {
      turned = true
    })
    for (let i = 0; i < 3; i++) await read(0, new Uint8Array(10))
    expect(turned).toBe(true)
  })
})
