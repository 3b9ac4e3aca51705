import { describe, expect, test } from 'vitest'
import { extUsage, joinExtExtents } from '../../../src/filesystems/ext/index.js'
import { openExt } from '../../../src/filesystems/ext/open-ext.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'

/** A file system of 256 blocks, all of them data but 15: block 0, and what `HandExt` has up to block 14. */
function handMade(freeBlocks: number, freeInodes: number): HandExt {
  const hand = new HandExt()
  hand.block(2).writeUInt16LE(freeBlocks, 0x0c)
  hand.block(2).writeUInt16LE(freeInodes, 0x0e)
  return hand
}

describe('how full a file system is', () => {
  test('comes from the counters of the groups', async () => {
    const hand = handMade(100, 7)
    hand.field(8, 10)
    hand.field(12, 99)
    // 1 + superblock, descriptors, two bitmaps and 8 blocks of inodes.
    const size = 256 - 13
    expect(await extUsage(await openExt(hand.open()))).toEqual({
      size: size * 1024,
      used: (size - 100) * 1024,
      free: 100 * 1024,
      reserved: 10 * 1024,
      available: 90 * 1024,
      inodeCount: 32,
      usedInodeCount: 25,
      freeInodeCount: 7,
      journalSize: 0,
    })
  })

  test('leaves out what the superblock says, where that is possible', async () => {
    const hand = handMade(100, 7)
    hand.field(0x248, 56)
    expect((await extUsage(await openExt(hand.open()))).size).toBe(200 * 1024)
    hand.field(0x248, 256)
    expect((await extUsage(await openExt(hand.open()))).size).toBe((256 - 13) * 1024)
  })

  test('no counter of a damaged image makes it more than full, or less than empty', async () => {
    const hand = handMade(65_535, 65_535)
    hand.field(8, 0xffffffff)
    const usage = await extUsage(await openExt(hand.open()))
    expect(usage).toMatchObject({ used: 0, free: usage.size, reserved: usage.size, available: 0, usedInodeCount: 0 })
  })
})

test('extents that follow one another are one, and holes are none', async () => {
  const hand = new HandExt()
  const leaf = [
    [0, 2, 30],
    [2, 3, 32],
    [5, 1, 40],
    [9, 2 + 32768, 41],
  ]
  hand.file('file', 12, { size: 11 * 1024, flags: 0x80000, map: extentNode(0, leaf) })
  const files = await openExt(hand.open())
  const extents = []
  for await (const batch of joinExtExtents(files, await files.inode(12))) extents.push(...batch)
  expect(extents).toEqual([
    { logical: 0, physical: 30, length: 5, unwrittenAt: null },
    { logical: 5, physical: 40, length: 1, unwrittenAt: null },
    { logical: 9, physical: null, length: 2, unwrittenAt: 41 },
  ])
})
