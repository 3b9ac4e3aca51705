import { describe, expect, test } from 'vitest'
import { openExt } from '../../src/core.js'
import { findFileSystem } from '../../src/filesystems/find-file-system.js'
import { HandExt } from '../support/ext-by-hand.js'
import { imageOf, linuxType, makeGptDisk, writeBootRecord } from '../support/partition-images.js'

const xfs = Buffer.from('XFSB')

/** A disk with these bytes in its partitions, from 64 KiB on, each of 256 KiB. */
function diskWith(...contents: readonly Uint8Array[]): Buffer {
  const lines = contents.map((_, i) => ({
    type: linuxType,
    first: 128 + i * 512,
    last: 128 + i * 512 + 511,
    name: `p${i}`,
  }))
  const { bytes } = makeGptDisk(512, 2048, lines)
  for (const [i, content] of contents.entries()) bytes.set(content, (128 + i * 512) * 512)
  return bytes
}

function ext(label = ''): Buffer {
  const hand = new HandExt()
  hand.bytes.write(label, 1024 + 0x78)
  return hand.bytes
}

describe('findFileSystem', () => {
  test('takes a file system that fills the image', async () => {
    const image = imageOf(ext())
    expect(await findFileSystem(image)).toEqual({ image, partition: null })
    const withBootCode = ext()
    writeBootRecord(withBootCode, 0, [])
    expect(await findFileSystem(imageOf(withBootCode))).toMatchObject({ partition: null })
    // Without any signature, too: there may be a copy of the superblock.
    expect(await findFileSystem(imageOf(Buffer.alloc(100)))).toMatchObject({ partition: null })
  })

  test('takes the only partition that umlcow reads', async () => {
    const { image, partition } = await findFileSystem(imageOf(diskWith(xfs, ext('root'))))
    expect(partition).toMatchObject({ number: 2, name: 'p1' })
    const { superblock } = await openExt(image)
    expect(Buffer.from(superblock.label).toString()).toBe('root')
  })

  test('takes a partition by its number, whatever it holds', async () => {
    const disk = diskWith(ext(), ext('root'))
    for (const number of [1, 2]) {
      expect((await findFileSystem(imageOf(disk), number)).partition).toMatchObject({ number })
    }
    expect((await findFileSystem(imageOf(disk), 0)).partition).toBeNull()
  })

  test.each<[string, Buffer, number | null, string, string]>([
    [
      'several',
      diskWith(ext(), xfs, ext('r\x1bt')),
      null,
      'PARTITION_MISSING',
      'umlcow can read several file systems of the image: 1: ext4 "p0", 3: ext4 "p2" label "r\\x1bt"',
    ],
    ['no such partition', diskWith(ext()), 2, 'PARTITION_MISSING', 'the image has no partition 2: it has 1'],
    ['no table', ext(), 1, 'PARTITION_MISSING', 'the image has no partition 1: it has no partition table'],
    [
      'another file system',
      Buffer.concat([xfs, Buffer.alloc(1024)]),
      null,
      'FS_UNKNOWN',
      'the image holds xfs: umlcow reads the files of ext2, ext3 and ext4 only',
    ],
    [
      'other partitions',
      diskWith(xfs, Buffer.alloc(8)),
      null,
      'FS_UNKNOWN',
      'no partition holds ext2, ext3 or ext4: 1: xfs "p0", 2: unknown "p1"',
    ],
    [
      'another file system in the partition',
      diskWith(ext(), xfs),
      2,
      'FS_UNKNOWN',
      'partition 2 holds xfs: umlcow reads the files of ext2, ext3 and ext4 only',
    ],
    ['no partitions', diskWith(), null, 'FS_UNKNOWN', 'no partition holds ext2, ext3 or ext4: there is none'],
    [
      'an Android sparse image',
      Buffer.from('3aff26ed0100', 'hex'),
      null,
      'FS_UNKNOWN',
      'the image holds simg: it is a sparse image of Android: "simg2img FILE NEW" makes a raw image of it',
    ],
  ])('refuses: %s', async (_, disk, number, code, message) => {
    await expect(findFileSystem(imageOf(disk), number)).rejects.toMatchObject({ code, message })
  })

  test('refuses a damaged table, and a disk that is both', async () => {
    const damaged = diskWith(ext())
    damaged[512 + 56]! ^= 1
    damaged[damaged.length - 512 + 56]! ^= 1
    for (const number of [null, 1]) {
      await expect(findFileSystem(imageOf(damaged), number)).rejects.toMatchObject({ code: 'FS_DAMAGED' })
    }
    const both = Buffer.concat([ext(), Buffer.alloc(300_000)])
    both.set(ext(), 2 ** 18)
    writeBootRecord(both, 0, [{ type: 0x83, start: 512, count: 512 }])
    await expect(findFileSystem(imageOf(both))).rejects.toMatchObject({
      code: 'PARTITION_MISSING',
      message: 'umlcow can read several file systems of the image: 0 (the whole image): ext4, 1: ext4',
      hint: 'choose one: "--partition N" or "IMAGE@N"',
    })
  })
})
