import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, type Image, openExt, openMemoryStore, openRawImage, UmlcowError } from '../../src/core.js'
import { openImage } from '../../src/index.js'
import { amount, diceFor, isDeep, sampleOf, tally } from '../support/amount.js'
import {
  agingCommands,
  debugfs,
  e2fsprogs,
  extConfigs,
  farInMap,
  makeExtImage,
  makeExtTree,
} from '../support/ext-images.js'
import {
  debugfsListing,
  debugfsNames,
  hostContents,
  ownContents,
  ownListing,
  ownNames,
} from '../support/ext-listing.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const configs = sampleOf('ext', extConfigs, 2)

/** ext2, ext3 and ext4, with three sizes of blocks and three of inodes. */
const allSizes = ['ext2', 'ext3', 'ext4'].flatMap((type) =>
  [1024, 2048, 4096].flatMap((block) =>
    [128, 256, 512].map((inode) => ({
      name: `${type}, blocks of ${block}, inodes of ${inode}`,
      args: ['-t', type, '-b', `${block}`, '-I', `${inode}`],
      size: '24M',
    })),
  ),
)

async function withExt<T>(image: string, use: (files: ExtFileSystem) => Promise<T>): Promise<T> {
  await using opened = await openImage(image)
  return await use(await openExt(opened))
}

/** Compare all that this reader says about an image with what debugfs says. */
async function expectSameListing(image: string): Promise<void> {
  const own = await withExt(image, ownListing)
  const other = debugfsListing(image, own)
  expect(own.directories).toEqual(other.directories)
  expect(own.inodes).toEqual(other.inodes)
}

describe.runIf(havePeers('/usr/sbin/mke2fs', '/usr/sbin/debugfs', '/usr/sbin/e2fsck'))('the reader of ext', () => {
  test.each(configs)('agrees with debugfs: $name', async (config) => {
    const directory = temporaryDirectory()
    const [tree, image] = [path.join(directory, 'tree'), path.join(directory, 'image')]
    const dice = diceFor(config.name)
    makeExtTree(tree, dice, /^ext[23]|block maps/.test(config.name) ? { far: farInMap } : {})
    makeExtImage(image, config, tree)
    await expectSameListing(image)
    const contents = await withExt(image, ownContents)
    expect(contents).toEqual(hostContents(tree))

    debugfs(image, agingCommands(dice, path.join(tree, 'size1023')), ['-w'])
    await expectSameListing(image)
    // -D makes hash trees of large directories. Status 1: it did.
    e2fsprogs('e2fsck', ['-fyD', image], [0, 1])
    await expectSameListing(image)
    // debugfs dumps at least 60 bytes of inline data, also of shorter files.
    if (isDeep && !config.name.includes('inline')) {
      const dumped = path.join(directory, 'dumped')
      mkdirSync(dumped)
      debugfs(image, [`rdump / ${dumped}`])
      expect(await withExt(image, ownContents)).toEqual(hostContents(dumped))
    }
  })

  test.each(isDeep ? allSizes : [])('agrees with debugfs: $name', async (config) => {
    const directory = temporaryDirectory()
    const [tree, image] = [path.join(directory, 'tree'), path.join(directory, 'image')]
    const dice = diceFor(config.name)
    makeExtTree(tree, dice, config.name.startsWith('ext4') ? {} : { far: farInMap })
    makeExtImage(image, config, tree)
    expect(await withExt(image, ownContents)).toEqual(hostContents(tree))
    for (let i = 0; i < 3; i++) {
      debugfs(image, agingCommands(dice, path.join(tree, 'size1023')), ['-w'])
      await expectSameListing(image)
      e2fsprogs('e2fsck', ['-fyD', image], [0, 1])
    }
    await expectSameListing(image)
  })

  test.runIf(isDeep).each([
    ['ext4', '-t ext4 -b 4096 -I 256 -O metadata_csum', 64_000],
    ['ext3', '-t ext3 -b 4096 -I 128', 31_000],
  ])('a directory of 100,000 files, a file of many names: %s', async (_, args, linkCount) => {
    const directory = temporaryDirectory()
    const [tree, image] = [path.join(directory, 'tree'), path.join(directory, 'image')]
    mkdirSync(path.join(tree, 'many'), { recursive: true })
    mkdirSync(path.join(tree, 'names'))
    const names = Array.from({ length: 100_000 }, (_, i) => `f${i}`)
    for (const name of names) writeFileSync(path.join(tree, 'many', name), '')
    writeFileSync(path.join(tree, 'one'), '1')
    for (let i = 1; i < linkCount; i++) linkSync(path.join(tree, 'one'), path.join(tree, 'names', `n${i}`))
    // mke2fs looks through the whole directory for each name: blocks of 1 KiB would take it many minutes.
    e2fsprogs('mke2fs', ['-q', '-F', ...args.split(' '), '-N', '110000', '-d', tree, image, '200M'])
    for (const isIndexed of [false, true]) {
      if (isIndexed) e2fsprogs('e2fsck', ['-fyD', image], [0, 1])
      await withExt(image, async (files) => {
        const many = await files.lookup(Buffer.from('/many'))
        const lines = await ownNames(files, many)
        expect(lines).toEqual(debugfsNames(image, many.number))
        expect(lines).toHaveLength(names.length)
        const links = await ownNames(files, await files.lookup(Buffer.from('/names')))
        expect(links).toHaveLength(linkCount - 1)
        const one = await files.lookup(Buffer.from(`/names/n${linkCount - 1}`))
        expect(one.linkCount).toBe(linkCount)
        expect(one).toEqual(await files.lookup(Buffer.from('/one')))
        expect((await files.lookup(Buffer.from('/many/f99999'))).size).toBe(0)
      })
    }
  })

  // Without checksums nobody can know that an answer is wrong, but there is one, and soon.
  test.each([
    ['with checksums', '-t ext4 -b 1024 -I 256 -O metadata_csum,^has_journal'],
    ['without checksums', '-t ext2 -b 1024 -I 256'],
    ['of extents without checksums', '-t ext4 -b 1024 -O ^metadata_csum,^has_journal'],
  ])('damaged metadata %s: an error, or the right answer', async (name, args) => {
    const directory = temporaryDirectory()
    const [tree, image] = [path.join(directory, 'tree'), path.join(directory, 'image')]
    const dice = diceFor(name)
    makeExtTree(tree, dice, { manyCount: 40 })
    makeExtImage(image, { name, args: args.split(' '), size: '8M' }, tree)
    const whole = readFileSync(image)
    const right = await everything(await openExt(memoryImage(whole)))
    const blocks = await metadataBlocks(whole)
    const outcomes = { refused: 0, right: 0, other: 0 }
    for (let i = 0; i < amount({ quick: 6, deep: 170 }); i++) {
      const bytes = Buffer.from(whole)
      for (let flips = 2 ** dice.below(7); flips > 0; flips--) {
        const at = dice.pick(blocks) * 1024 + dice.below(1024)
        bytes[at] = bytes[at]! ^ (1 + dice.below(255))
      }
      const cut = dice.once(10) ? bytes.subarray(0, dice.below(bytes.length)) : bytes
      for (const damage of ['refuse', 'report'] as const) {
        const outcome = await answer(memoryImage(cut), damage, right)
        outcomes[outcome]++
        if (name === 'with checksums' && damage === 'refuse') expect(outcome).not.toBe('other')
      }
    }
    expect(outcomes.refused).toBeGreaterThan(0)
    tally('damaged ext images', outcomes.refused + outcomes.right + outcomes.other, outcomes)
  })
})

/** An image in memory that fails the test when more is read than any walk needs. */
function memoryImage(bytes: Uint8Array): Image {
  const image = openRawImage(openMemoryStore(bytes))
  let left = 32 * bytes.length
  return {
    ...image,
    virtualSize: image.virtualSize,
    async read(offset, target) {
      left -= target.length
      if (left < 0) throw new Error('it reads without end')
      await image.read(offset, target)
    },
  }
}

/** All that can be read: names, inodes, maps, attributes, contents and the scan. */
async function everything(files: ExtFileSystem): Promise<string> {
  const { directories, inodes } = await ownListing(files)
  const contents = await ownContents(files, 2 ** 23)
  let count = 0
  for await (const batch of files.inodes()) count += batch.length
  return JSON.stringify([[...directories], [...inodes], [...contents], count])
}

async function answer(image: Image, damage: 'refuse' | 'report', right: string) {
  try {
    return (await everything(await openExt(image, { damage }))) === right ? 'right' : 'other'
  } catch (error) {
    if (error instanceof UmlcowError && error.code.startsWith('FS_')) return 'refused'
    throw error
  }
}

/** Blocks of the superblock, descriptor, inode bitmap and table of the only group, and of directories and maps. */
async function metadataBlocks(bytes: Buffer): Promise<number[]> {
  const files = await openExt(memoryImage(bytes))
  const [bitmap, table] = [bytes.readUInt32LE(2048 + 4), bytes.readUInt32LE(2048 + 8)]
  const blocks = [1, 1, 2, 2, bitmap]
  for await (const inodes of files.inodes()) {
    for (const inode of inodes) {
      blocks.push(table + Math.floor((inode.number - 1) / 4))
      if (inode.attributeBlock > 0) blocks.push(inode.attributeBlock)
      const isDirectory = inode.type === 'directory'
      if (inode.number < 11 && !isDirectory) continue
      for await (const extents of files.extents(inode, { onMapBlock: (block) => blocks.push(block, block) })) {
        if (isDirectory) blocks.push(...extents.flatMap(({ physical }) => physical ?? []))
      }
    }
  }
  return blocks
}
