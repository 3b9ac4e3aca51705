import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, openExt } from '../../src/core.js'
import { openImage } from '../../src/index.js'
import { diceFor, isDeep, sampleOf } from '../support/amount.js'
import { dirtyByGuest, type GuestMount } from '../support/ext-guest.js'
import { debugfs, e2fsprogs } from '../support/ext-images.js'
import { ownContents, ownListing } from '../support/ext-listing.js'
import type { Dice } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

/** Options of mke2fs, and of debugfs's journal_open. */
const journals = [
  '^metadata_csum,^64bit',
  '^metadata_csum,64bit',
  'metadata_csum,64bit',
  'metadata_csum,^64bit',
].flatMap((features) =>
  ['', '-c -v 2', '-c -v 3'].flatMap((options) => [1024, 4096].map((size) => ({ features, options, size }))),
)

/**
 * Compare the view after our replay with what e2fsck makes of a copy, block by block.
 *
 * Both report damage, and replay what comes before it: debugfs writes wrong checksums of version 1 for revokes.
 */
async function expectSameReplay(image: string): Promise<ExtFileSystem> {
  const copy = `${image}.replayed`
  copyFileSync(image, copy)
  e2fsprogs('e2fsck', ['-y', '-E', 'journal_only', copy], [0, 1])
  await using opened = await openImage(image)
  const files = await openExt(opened, { damage: 'report' })
  expect(files.journal.state).toBe('replayed')
  const own = Buffer.alloc(opened.virtualSize)
  await files.image.read(0, own)
  const other = readFileSync(copy)
  const { blockSize } = files.superblock
  // e2fsck says in both superblocks that nothing is left to replay, and does the work that the orphans wait for.
  const left = new Set([blockSize === 1024 ? 1 : 0, await journalBlock(files)])
  const changed: number[] = []
  for (let block = 0; block * blockSize < own.length; block++) {
    const [from, to] = [block * blockSize, (block + 1) * blockSize]
    if (!left.has(block) && !own.subarray(from, to).equals(other.subarray(from, to))) changed.push(block)
  }
  expect(files.orphans.length > 0 ? [] : changed).toEqual([])
  return files
}

async function journalBlock(files: ExtFileSystem): Promise<number> {
  for await (const [extent] of files.extents(await files.inode(8))) return extent!.physical!
  throw new Error('no journal')
}

/** Commands of debugfs that write transactions: data of any number, revokes, some not committed, blocks to escape. */
function journalCommands(dice: Dice, directory: string, blockSize: number): string[] {
  const magic = Buffer.from([0xc0, 0x3b, 0x39, 0x98])
  const block = () => 2000 + dice.below(60)
  const commands: string[] = []
  for (let i = 0; i < 12; i++) {
    const blocks = [...new Set(Array.from({ length: 1 + dice.below(dice.once(4) ? 300 : 6) }, block))]
    const data = Buffer.alloc(blocks.length * blockSize, `${i}`)
    if (dice.once(2)) data.set(magic, dice.below(blocks.length) * blockSize)
    const file = path.join(directory, `data${i}`)
    writeFileSync(file, data)
    const revokes = Array.from({ length: 1 + dice.below(5) }, block).join(',')
    if (i > 0 && dice.once(3)) commands.push(`jw -r ${revokes}`)
    commands.push(`jw -b ${blocks.join(',')} ${file}`)
  }
  return commands
}

describe.runIf(havePeers('/usr/sbin/mke2fs', '/usr/sbin/debugfs', '/usr/sbin/e2fsck'))('the replay of journals', () => {
  test.each(sampleOf('journals', journals, 2, ({ options }) => options))(
    'agrees with e2fsck: $features, journal_open $options, $size',
    async ({ features, options, size }) => {
      const directory = temporaryDirectory()
      const image = path.join(directory, 'image')
      const dice = diceFor(`${features} ${options} ${size}`)
      e2fsprogs('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', `${size}`, '-O', features, image, '16M'])
      debugfs(image, [`jo ${options}`.trim(), ...journalCommands(dice, directory, size), 'jc'], ['-w'])
      const files = await expectSameReplay(image)
      expect(files.journal.blocks.length).toBeGreaterThan(0)
    },
  )
})

const guestMounts: readonly GuestMount[] = [
  { name: 'ext4, v3', mke2fs: '-t ext4 -b 1024 -O metadata_csum,64bit', type: 'ext4', options: '' },
  { name: 'ext4, v1', mke2fs: '-t ext4 -b 1024 -O ^metadata_csum,^64bit', type: 'ext4', options: 'journal_checksum' },
  { name: 'ext3, data', mke2fs: '-t ext3 -b 1024 -I 128', type: 'ext3', options: 'data=journal' },
  { name: 'ext4, 64-bit', mke2fs: '-t ext4 -b 4096 -O ^metadata_csum,64bit', type: 'ext4', options: '' },
  { name: 'orphan_file', mke2fs: '-t ext4 -b 4096 -O orphan_file,metadata_csum', type: 'ext4', options: '' },
]

describe.runIf(isDeep && havePeers('/usr/bin/linux.uml', '/usr/sbin/e2fsck', '/usr/bin/python3'))(
  'a file system of a guest that stopped in the middle',
  () => {
    test.each(guestMounts)('$name: the replay is what e2fsck makes', async (mount) => {
      const image = path.join(temporaryDirectory(), 'image')
      dirtyByGuest(image, mount, { hasOrphan: false })
      await expectSameReplay(image)
    })

    test.each(guestMounts)('$name: lists orphans, and reads all files', async (mount) => {
      const image = path.join(temporaryDirectory(), 'image')
      dirtyByGuest(image, mount, { hasOrphan: true })
      const files = await expectSameReplay(image)
      expect(files.orphans).toHaveLength(1)
      await using opened = await openImage(image)
      await using repaired = await openImage(`${image}.replayed`)
      const [own, other] = [await openExt(opened), await openExt(repaired)]
      expect(await ownListing(own)).toEqual(await ownListing(other))
      expect(await ownContents(own)).toEqual(await ownContents(other))
    })

    test('fast commits are refused by name', async () => {
      const image = path.join(temporaryDirectory(), 'image')
      const mke2fs = '-t ext4 -b 1024 -O fast_commit,metadata_csum'
      dirtyByGuest(image, { name: '', mke2fs, type: 'ext4', options: '' }, { hasFastCommits: true })
      await using opened = await openImage(image)
      await expect(openExt(opened)).rejects.toMatchObject({ code: 'FS_UNSUPPORTED' })
    })
  },
)
