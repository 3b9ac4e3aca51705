import { describe, expect, it } from 'vitest'
import { digestName } from '../../src/bytes/name-digest.js'
import { NameTable } from '../../src/bytes/name-table.js'
import { RecordStore } from '../../src/bytes/record-memory.js'

/** HalfSipHash-2-4 with 64 bits of the bytes 0, 1, ... under the key 0, 1, ..., 7, as its authors' vectors have it. */
const vectors = [
  '218d1f59b9b83cc8',
  'be552412f8387315',
  '064f39ef7c50eb57',
  'ce0f1a45f7060679',
  'd5e78a175be52ea1',
  'cb9d7c3f2f3db580',
  'ce3e91358aa2bc25',
  'ff202728b07bc684',
  'edfee820bce4858c',
  '5b51cccc13888307',
]

function digestOf(name: Uint8Array, key: readonly [number, number]): string {
  const out = new Uint32Array(2)
  digestName(name, key, out)
  return Buffer.from(out.buffer).toString('hex')
}

describe('the digest of a name', () => {
  it('is that of its authors', () => {
    const key = [0x03020100, 0x07060504] as const
    const digests = vectors.map((_, length) => digestOf(Buffer.from([...vectors.keys()].slice(0, length)), key))
    expect(digests).toEqual(vectors)
  })

  it('depends on every byte, on the length and on the key', () => {
    const names = ['', '\0', '\0\0', 'abcd', 'abcde', 'abce', 'bbcd', 'x'.repeat(300), `${'x'.repeat(299)}y`]
    const keys = [
      [1, 2],
      [1, 3],
      [2, 2],
    ] as const
    const digests = keys.flatMap((key) => names.map((name) => digestOf(Buffer.from(name), key)))
    expect(new Set(digests).size).toBe(digests.length)
  })
})

describe('the table of names', () => {
  it('gives back what was put in last, for many names', () => {
    const table = new NameTable()
    const nameOf = (i: number) => Buffer.from(`name ${i}`)
    for (let i = 0; i < 20_000; i++) table.set(nameOf(i), 1 + (i % 65_535), i / 7)
    for (let i = 0; i < 20_000; i += 2) table.set(nameOf(i), 9, -i)
    expect(table.size).toBe(20_000)
    for (let i = 0; i < 20_000; i++) {
      const expected = i % 2 === 0 ? { tag: 9, value: -i } : { tag: 1 + (i % 65_535), value: i / 7 }
      expect(table.get(nameOf(i))).toEqual(expected)
    }
    expect(table.get(Buffer.from('name'))).toBeNull()
    expect(table.get(Buffer.alloc(0))).toBeNull()
    table.clear()
    expect([table.size, table.get(nameOf(1))]).toEqual([0, null])
  })
})

describe('the store of records', () => {
  it('keeps records of all lengths', () => {
    const store = new RecordStore()
    const lengths = [0, 1, 5, 700_000, 700_000, 3_000_000, 10, 1_048_576]
    const places = lengths.map((length, i) => store.add(Buffer.alloc(length, i + 1)))
    for (const [i, place] of places.entries()) {
      const kept = store.at(place).subarray(0, lengths[i])
      expect(Buffer.alloc(lengths[i]!, i + 1).equals(kept)).toBe(true)
    }
  })
})
