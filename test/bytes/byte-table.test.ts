import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTable } from '../../src/bytes/byte-table.js'

/** Takes all names of one length for the same one. */
function confusedPlaces() {
  const places = new Map<number, number>()
  return {
    get: (name: Uint8Array) => (places.has(name.length) ? { tag: 1, value: places.get(name.length)! } : null),
    set: (name: Uint8Array, _tag: number, value: number) => void places.set(name.length, value),
  }
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some))
const pairs = fc.uniqueArray(fc.tuple(bytes, bytes), { selector: ([key]) => key.toString('hex'), maxLength: 200 })

describe('a table of bytes', () => {
  it.each([
    ['with digests', () => new ByteTable()],
    ['when digests are the same', () => new ByteTable(confusedPlaces())],
  ])('gives back what was put in, in its order, and nothing else: %s', (_, make) => {
    fc.assert(
      fc.property(pairs, fc.array(bytes), (all, others) => {
        const table = make()
        const known = new Set(all.map(([key]) => key.toString('hex')))
        for (const [key, value] of all) expect(table.add(key, value)).toEqual(value)
        for (const [key, value] of all) expect(table.get(key)).toEqual(value)
        for (const key of others) if (!known.has(key.toString('hex'))) expect(table.get(key)).toBeNull()
        expect([...table.values()]).toEqual(all.map(([, value]) => value))
        expect([...table.entries()]).toEqual(all)
        expect(table.size).toBe(all.length)
      }),
    )
  })

  it('keeps copies, which may be written to', () => {
    const table = new ByteTable()
    const value = Buffer.from('value')
    table.add(Buffer.from('key'), value)
    value.fill(0)
    table.get(Buffer.from('key'))![0] = 0x56
    expect(table.get(Buffer.from('key'))).toEqual(Buffer.from('Value'))
    expect(() => table.add(Buffer.from('key'), value)).toThrow('a key that is there')
  })

  it('holds more than one piece of memory', () => {
    const table = new ByteTable()
    const big = Buffer.alloc(400_000, 1)
    for (let i = 0; i < 10; i++) table.add(Buffer.from([i]), Buffer.concat([big, Buffer.from([i])]))
    expect([...table.values()].map((value) => value.at(-1))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})
