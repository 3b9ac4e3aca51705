import { describe, expect, test } from 'vitest'
import { diffExt, type ExtDifferences, openExt } from '../../../src/core.js'
import { ChangedRanges } from '../../../src/filesystems/ext/diff/changed-ranges.js'
import { HandExt } from '../../support/ext-by-hand.js'
import { changeLines } from '../../support/ext-diff-oracle.js'

const encrypted = 0x800

interface Options {
  readonly damage?: 'report' | 'refuse'
}

async function compare(old: HandExt, now: HandExt, { damage = 'refuse' }: Options = {}): Promise<ExtDifferences> {
  const [before, after] = [await openExt(old.open(), { damage }), await openExt(now.open(), { damage })]
  return await diffExt(before, after, [{ start: 0, end: now.bytes.length }])
}

/** Two file systems by one function, which gets 0 for the old one and 1 for the new one. */
async function diffOf(fill: (hand: HandExt, side: number) => void, options?: Options): Promise<string[]> {
  const [old, now] = [new HandExt(), new HandExt()]
  fill(old, 0)
  fill(now, 1)
  const { changes } = await compare(old, now, options)
  return changeLines(changes).map((line) => line.trim())
}

describe('diffExt, number by number', () => {
  test('what is encrypted does not end the comparison of all else', async () => {
    const lines = await diffOf((hand, side) => {
      hand.file('link', 12, { type: 'symlink', flags: encrypted, size: 70, map: [30], mode: 0o777 - side })
      hand.block(30).fill(side + 1, 0, 70)
      hand.file('secret', 13, { flags: encrypted, size: 9 + side, map: [31] })
      hand.file('plain', 14, { size: 9, map: [32] })
      hand.block(32).fill(side + 1, 0, 9)
    })
    expect(lines).toEqual(['metadata /link mode', 'metadata /secret size', 'modified /plain  0-9'])
  })
  test('the root directory stays the same file, and a path whose directory was made anew has one line', async () => {
    const lines = await diffOf((hand, side) => {
      hand.file('lost+found', 11, { type: 'directory', size: 1024, map: [21] })
      hand.file('d', 12 + side, { type: 'directory', size: 1024, map: [30 + side] })
      // The generation.
      for (const number of [2, 11]) hand.record(number).writeUInt32LE(side, 0x64)
      hand.directory(21, [])
      const names = [
        ['f', 'same', 'g'],
        ['f', 'same', 'h'],
      ][side]!
      hand.directory(
        30 + side,
        names.map((name, i) => [name, 14 + 3 * side + i]),
      )
      for (const [i] of names.entries()) hand.inode(14 + 3 * side + i, { size: 5, map: [40 + i] })
      if (side === 1) hand.inode(17, { size: 5, map: [50] })
      hand.block(50).write('other')
    })
    expect(lines).toEqual(['added /d/h', 'deleted /d/g', 'modified /d/f  0-5'])
  })

  test('flags that users choose are a change, and flags of how a file is stored are none', async () => {
    const lines = await diffOf((hand, side) => {
      const flags = { 12: 0x10, 13: 0x800, 14: 0x100000, 15: 0x40000000, 16: 0x1000, 17: 0x2000, 18: 0x400000 }
      for (const [number, flag] of Object.entries(flags)) hand.file(number, Number(number), { flags: side * flag })
    })
    expect(lines).toEqual([12, 13, 14, 15].map((number) => `metadata /${number} flags`))
  })
})

test('ranges of a file beyond the cap are counted', () => {
  const ranges = new ChangedRanges(2)
  for (const start of [0, 10, 30, 50, 70, 75]) ranges.add({ start, end: start + 10 })
  ranges.add({ start: 85, end: 90 })
  expect(ranges).toMatchObject({
    list: [
      { start: 0, end: 20 },
      { start: 30, end: 40 },
    ],
    count: 5,
    addCount: 7,
  })
})
