import { describe, expect, test } from 'vitest'
import { type ExtOwner, type ExtOwnersOptions, extOwners, type Image, openExt } from '../../../src/core.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'

/** The owner of each block of 1 KiB. The ranges must tile the image. */
async function ownersOf(image: Image, options: ExtOwnersOptions = {}): Promise<ExtOwner[]> {
  const owners: ExtOwner[] = []
  for await (const batch of extOwners(await openExt(image), options)) {
    for (const { start, end, owner } of batch) {
      expect(start).toBe(owners.length * 1024)
      for (let at = start; at < end; at += 1024) owners.push(owner)
    }
  }
  return owners
}

/** Files with maps of all kinds, and a bitmap that has a block of no file. */
function makeImage(): HandExt {
  const hand = new HandExt(256)
  const setUsed = (block: number) => {
    hand.block(3)[(block - 1) >>> 3]! |= 2 ** ((block - 1) % 8)
  }
  hand.file('direct', 12, { size: 3000, map: [30, 0, 31] })
  hand.file('indirect', 13, { size: 14_000, map: [32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40] })
  hand.block(40).writeUInt32LE(41, 4)
  // The second extent is reserved, not written.
  const extents = [
    [0, 2, 50],
    [2, 32768 + 3, 60],
  ]
  hand.file('extents', 14, { flags: 0x80000, size: 5000, map: extentNode(0, extents) })
  hand.file('tree', 15, { flags: 0x80000, size: 1000, map: extentNode(1, [[0, 70]]) })
  hand.block(70).set(extentNode(0, [[0, 1, 71]], 84))
  hand.file('attributes', 16, { attributeBlock: 80 })
  hand.file('link', 17, { type: 'symlink', size: 4, map: Buffer.from('none'.padEnd(60, '\0')) })
  for (const block of [1, 2, 3, 4, 20, 30, 90]) setUsed(block)
  return hand
}

const expected = new Map<number, ExtOwner>([
  // The boot block, the superblock, the descriptors, two bitmaps.
  ...[0, 1, 2, 3, 4].map((block) => [block, 'metadata'] as const),
  ...[5, 6, 7, 8, 9, 10, 11, 12].map((block) => [block, 'inodeTables'] as const),
  [20, 'directories'],
  ...[30, 31, 32, 41, 50, 51, 60, 61, 62, 71].map((block) => [block, 'fileData'] as const),
  ...[40, 70, 80, 90].map((block) => [block, 'metadata'] as const),
])

describe('extOwners', () => {
  test('finds what each block is for', async () => {
    const owners = await ownersOf(makeImage().open())
    expect(owners).toHaveLength(256)
    for (const [block, owner] of owners.entries())
      expect([block, owner]).toEqual([block, expected.get(block) ?? 'free'])
  })

  test('finds the same a part at a time', async () => {
    const image = makeImage().open()
    expect(await ownersOf(image, { windowLength: 17 })).toEqual(await ownersOf(image))
  })

  test('blocks behind the file system are outside', async () => {
    const hand = makeImage()
    hand.field(4, 200)
    const owners = await ownersOf(hand.open())
    expect([owners.length, owners[199], owners[200], owners[255]]).toEqual([256, 'free', 'outside', 'outside'])
  })

  test('refuses more parts than it can scan', async () => {
    const reading = ownersOf(makeImage().open(), { windowLength: 15 })
    await expect(reading).rejects.toMatchObject({ code: 'FS_UNSUPPORTED' })
  })

  test('refuses a map that is none', async () => {
    const hand = makeImage()
    hand.file('broken', 18, { flags: 0x80000, size: 1000, map: [1, 2, 3] })
    await expect(ownersOf(hand.open())).rejects.toMatchObject({ code: 'FS_DAMAGED' })
  })
})
