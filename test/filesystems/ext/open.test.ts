import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, openExt, openMemoryStore, openRawImage } from '../../../src/core.js'
import { HandExt } from '../../support/ext-by-hand.js'

const refusal = (code: string, words: string | RegExp = '') =>
  expect.objectContaining({ code, message: expect.stringMatching(words) })

async function namesOf(files: ExtFileSystem): Promise<string[]> {
  const found: string[] = []
  for await (const names of files.entries(await files.inode(2))) found.push(...names.map(({ name }) => `${name}`))
  return found
}

describe('openExt', () => {
  test('opens a file system', async () => {
    const files = await openExt(new HandExt().open())
    expect(files.superblock).toMatchObject({ blockSize: 1024, blockCount: 256, inodeCount: 32, groupCount: 1 })
    expect(files.findings).toEqual([])
    expect(await namesOf(files)).toEqual([])
  })

  test.each([0, 1024, 2047, 4096])('refuses %d bytes of zeros', async (length) => {
    const image = openRawImage(openMemoryStore(new Uint8Array(length)))
    await expect(openExt(image)).rejects.toEqual(refusal('FS_UNKNOWN'))
  })

  test.each([
    ['compression', 0x1],
    ['journal_dev', 0x8],
    ['dirdata', 0x1000],
    ['FEATURE_I31', 0x80000000],
  ])('refuses the feature %s by its name', async (name, bit) => {
    const hand = new HandExt()
    hand.field(0x60, 0x42 + bit)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_UNSUPPORTED', name))
  })

  test('refuses an unknown revision', async () => {
    const hand = new HandExt()
    hand.field(0x4c, 2)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_UNSUPPORTED', 'revision 2'))
  })

  // Offset in the superblock, and a word that cannot be there.
  test.each([
    ['number of inodes', 0x00, 33],
    ['number of blocks', 0x04, 1],
    ['first data block', 0x14, 2],
    ['block size', 0x18, 7],
    ['block size', 0x18, 0xffffffff],
    ['blocks of a group', 0x20, 0],
    ['blocks of a group', 0x20, 8193],
    ['inodes of a group', 0x28, 0],
    ['inodes of a group', 0x28, 8193],
    ['inode size', 0x58, 64],
    ['inode size', 0x58, 384],
    ['inode size', 0x58, 2048],
  ])('refuses an impossible %s', async (_, at, value) => {
    const hand = new HandExt()
    hand.field(at, value)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_DAMAGED', 'superblock'))
  })

  test('refuses a truncated image, or reports it', async () => {
    const hand = new HandExt()
    hand.field(0x04, 257)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_DAMAGED', '263168 bytes'))
    const files = await openExt(hand.open(), { damage: 'report' })
    expect(files.findings).toEqual([{ kind: 'size', message: expect.stringContaining('only 262144') }])
    expect(await namesOf(files)).toEqual([])
    const cut = openRawImage(openMemoryStore(hand.bytes.subarray(0, 20 * 1024)))
    await expect(openExt(cut, { damage: 'report' }).then(namesOf)).rejects.toEqual(
      refusal('FS_DAMAGED', 'end of the image'),
    )
  })

  test('refuses a wrong checksum of the superblock, or reports it', async () => {
    const hand = new HandExt()
    hand.field(0x64, 0x400)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_DAMAGED', 'checksum of the superblock'))
    const files = await openExt(hand.open(), { damage: 'report' })
    expect(await namesOf(files)).toEqual([])
    expect(files.findings.map(({ message }) => message)).toEqual([
      'wrong checksum of the superblock',
      'wrong checksum of the descriptor of group 0',
      'wrong checksum of inode 2',
      'wrong checksum of block 20, directory inode 2',
    ])
  })
})
