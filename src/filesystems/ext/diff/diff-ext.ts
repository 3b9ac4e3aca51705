import { equalBytes } from '../../../bytes/fast.js'
import { NumberSet } from '../../../bytes/number-set.js'
import type { ExtInode, ExtSuperblock } from '../../../formats/ext/index.js'
import type { ByteRange } from '../../../images/compare-ranges.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import { BlockClasses, claimHiddenInodes, claimInode, claimLayout } from './block-classes.js'
import { type ComparedBlocks, findChangedBlocks } from './changed-blocks.js'
import { findChangedInodes, type InodePair, pairOf } from './changed-inodes.js'
import type { ExtBlockClass, ExtDifferences, ExtDiffOptions } from './ext-differences.js'
import { findOwners } from './find-owners.js'
import { claimRest, hasTrustedBitmaps, isAnyInUse } from './free-blocks.js'
import { listChanges } from './list-changes.js'
import { type Comparison, inodeWithBlocks, openComparison } from './side.js'

/**
 * Find the files that differ between two states of one file system. It reads what may have changed, and what it must to
 * tell the files and their names: never all content.
 *
 * @param ranges  bytes of the images that may differ, in order: all others are equal
 * @throws        UmlcowError FS_DAMAGED, FS_UNSUPPORTED when millions of places differ
 */
export async function diffExt(
  old: ExtFileSystem,
  now: ExtFileSystem,
  ranges: AsyncIterable<ByteRange> | Iterable<ByteRange>,
  options: ExtDiffOptions = {},
): Promise<ExtDifferences> {
  const { blockSize } = now.superblock
  const { signal } = options
  const all = withReplayed(old, now, ranges)
  const blocks = await findChangedBlocks(old.image, now.image, all, { blockSize, signal })
  const kind = kindOf(old.superblock, now.superblock)
  const comparison = openComparison(old, now, blocks.changed, signal)
  const classes = new BlockClasses(blocks.changed)
  const end = now.superblock.blockCount
  classes.claim('outside', end, Math.max(0, Math.ceil(now.image.virtualSize / blockSize) - end))
  if (kind === 'new') {
    classes.counts.other += classes.left.count
    return { kind, changes: [], ...lengthsOf(blocks, classes, now) }
  }
  const pairs = await findPairs(comparison, classes)
  const changes = await listChanges(comparison, pairs, options)
  return { kind, changes, ...lengthsOf(blocks, classes, now) }
}

/** Add the blocks that a replay changed on either side. The images below it may be equal there. */
async function* withReplayed(
  old: ExtFileSystem,
  now: ExtFileSystem,
  ranges: AsyncIterable<ByteRange> | Iterable<ByteRange>,
): AsyncGenerator<ByteRange> {
  const replayed = new NumberSet()
  for (const { journal } of [old, now]) for (const block of journal.blocks) replayed.add(block)
  const { blockSize } = now.superblock
  const blocks = replayed.runs()
  let next = blocks.next()
  for await (const range of ranges) {
    for (; !next.done && next.value[0] * blockSize < range.start; next = blocks.next())
      yield bytesOf(next.value, blockSize)
    yield range
  }
  for (; !next.done; next = blocks.next()) yield bytesOf(next.value, blockSize)
}

function bytesOf([start, end]: readonly [number, number], blockSize: number): ByteRange {
  return { start: start * blockSize, end: end * blockSize }
}

function kindOf(old: ExtSuperblock, now: ExtSuperblock): ExtDifferences['kind'] {
  const layout = ['blockSize', 'inodeSize', 'inodesPerGroup', 'blocksPerGroup', 'firstDataBlock'] as const
  if (!equalBytes(old.uuid, now.uuid) || layout.some((key) => old[key] !== now[key])) return 'new'
  if (old.blockCount === now.blockCount) return 'same'
  return old.blockCount < now.blockCount ? 'grown' : 'shrunk'
}

/** Find all inodes that changed, or that have a block which changed, and give the blocks to their classes. */
async function findPairs(comparison: Comparison, classes: BlockClasses): Promise<Map<number, InodePair>> {
  const { now, signal } = comparison
  const pairs = new Map<number, InodePair>()
  const add = async (number: number, found?: ExtInode) => {
    const inode = found ?? (await inodeWithBlocks(now, number))
    const named = inode !== null && inode.linkCount > 0 ? inode : null
    pairs.set(number, await pairOf(comparison, number, named))
    if (inode !== null) await claimInode(now, inode, classes)
  }
  await claimLayout(now, classes)
  await claimHiddenInodes(now, classes)
  for (const number of await findChangedInodes(comparison)) await add(number)
  // A write within the same second, through a map of memory, or before a crash leaves no trace in the inode.
  if (classes.left.count > 0 && (!hasTrustedBitmaps(now) || (await isAnyInUse(now, classes)))) {
    const owners = await findOwners(now, classes.left, signal)
    for (const inode of owners) if (!pairs.has(inode.number)) await add(inode.number, inode)
  }
  await claimRest(now, classes)
  return pairs
}

function lengthsOf({ changed, sameLength }: ComparedBlocks, { counts }: BlockClasses, { superblock }: ExtFileSystem) {
  const { blockSize } = superblock
  const classes = { ...counts }
  for (const name of Object.keys(classes) as ExtBlockClass[]) classes[name] *= blockSize
  return { classes, sameLength, changedLength: changed.count * blockSize }
}
