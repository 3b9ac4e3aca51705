import { expect, test } from 'vitest'
import { openMemoryStore, openRawImage } from '../../src/core.js'
import { compareRanges } from '../../src/images/compare-ranges.js'

async function compare(a: Buffer, b: Buffer, ranges: [number, number][], unit: number): Promise<string[]> {
  const [old, now] = [openRawImage(openMemoryStore(a)), openRawImage(openMemoryStore(b))]
  const given = ranges.map(([start, end]) => ({ start, end }))
  const found: string[] = []
  for await (const { start, end, isSame } of compareRanges(old, now, given, { unit })) {
    found.push(`${start}-${end} ${isSame ? 'same' : 'changed'}`)
  }
  return found
}

test('widens ranges to units, joins what touches, and takes each byte once', async () => {
  const [a, b] = [Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]
  b[5000] = 1
  b[600_000] = 1
  const ranges: [number, number][] = [
    [10, 20],
    [500, 4096],
    [4096, 6000],
    [300_000, 700_000],
  ]
  expect(await compare(a, b, ranges, 1024)).toEqual([
    '0-4096 same',
    '4096-5120 changed',
    '5120-6144 same',
    '299008-599040 same',
    '599040-600064 changed',
    '600064-700416 same',
  ])
})

test('takes bytes beyond the end of the smaller image for zeros', async () => {
  const [a, b] = [Buffer.alloc(3000), Buffer.alloc(5001)]
  b[5000] = 1
  const expected = ['0-4608 same', '4608-5001 changed']
  expect(await compare(a, b, [[0, 6000]], 512)).toEqual(expected)
  expect(await compare(b, a, [[0, 6000]], 512)).toEqual(expected)
})
