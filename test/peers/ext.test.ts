import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, openExt } from '../../src/core.js'
import { openImage } from '../../src/index.js'
import { amount, diceFor, sampleOf } from '../support/amount.js'
import { agingCommands, debugfs, e2fsprogs, extConfigs, makeExtImage, makeExtTree } from '../support/ext-images.js'
import { debugfsListing, hostContents, ownContents, ownListing } from '../support/ext-listing.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const configs = sampleOf('ext', extConfigs, 6)

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
    makeExtTree(tree, dice)
    makeExtImage(image, config, tree)
    await expectSameListing(image)
    const contents = await withExt(image, ownContents)
    expect(contents).toEqual(hostContents(tree))

    debugfs(image, agingCommands(dice, path.join(tree, 'size1023')), ['-w'])
    await expectSameListing(image)
    // -D makes hash trees of large directories. Status 1: it did.
    e2fsprogs('e2fsck', ['-fyD', image], [0, 1])
    await expectSameListing(image)
    if (amount({ quick: false, deep: true })) {
      const dumped = path.join(directory, 'dumped')
      debugfs(image, [`rdump / ${dumped}`])
      expect(await withExt(image, ownContents)).toEqual(hostContents(dumped))
    }
  })
})
