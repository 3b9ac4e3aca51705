import { ceilDivide } from '../../bytes/align.js'
import { countExtBackups, type ExtSuperblock, extCompatible, extIncompatible, hasBit } from '../../formats/ext/index.js'
import type { ExtFileSystem } from './ext-file-system.js'

/** How full a file system is. Sizes are bytes. */
export interface ExtUsage {
  /** All that files and directories can take: the blocks of the file system without its own metadata, as df shows it. */
  readonly size: number
  readonly used: number
  readonly free: number
  /** Bytes of `free` that only the superuser may fill. */
  readonly reserved: number
  /** What other users can still fill. */
  readonly available: number
  readonly inodeCount: number
  readonly usedInodeCount: number
  readonly freeInodeCount: number
  /** Bytes of the journal inside the file system; 0: none. */
  readonly journalSize: number
}

/**
 * Count what a file system has and what is free.
 *
 * It adds up the counters of all groups, as the kernel does when it mounts: those in the superblock are old after a
 * guest was killed.
 */
export async function extUsage(files: ExtFileSystem): Promise<ExtUsage> {
  const { superblock } = files
  const { blockSize, blockCount, blocksPerCluster, inodeCount, journalInode } = superblock
  let [freeClusters, freeInodes] = [0, 0]
  for await (const groups of files.groups()) {
    for (const { freeBlockCount, freeInodeCount } of groups) {
      freeClusters += freeBlockCount
      freeInodes += freeInodeCount
    }
  }
  const hasJournal = hasBit(superblock.compatible, extCompatible.hasJournal) && journalInode !== 0
  const journalSize = hasJournal ? (await files.inode(journalInode)).size : 0
  const overhead = overheadOf(superblock, ceilDivide(journalSize, blockSize))
  const blocks = Math.max(0, blockCount - overhead)
  const free = Math.min(blocks, freeClusters * blocksPerCluster)
  const reserved = Math.min(free, superblock.reservedBlockCount)
  return {
    size: blocks * blockSize,
    used: (blocks - free) * blockSize,
    free: free * blockSize,
    reserved: reserved * blockSize,
    available: (free - reserved) * blockSize,
    inodeCount,
    usedInodeCount: Math.max(0, inodeCount - freeInodes),
    freeInodeCount: Math.min(inodeCount, freeInodes),
    journalSize,
  }
}

/** Count the blocks that df leaves out. Newer file systems say it; the kernel believes them. */
function overheadOf(superblock: ExtSuperblock, journalBlocks: number): number {
  const { overheadBlockCount, blockCount } = superblock
  if (overheadBlockCount > 0 && overheadBlockCount < blockCount) return overheadBlockCount
  return groupOverhead(superblock) + journalBlocks
}

/**
 * Count the blocks of superblocks, group descriptors, bitmaps and inode tables. A loop over the groups would take as
 * long as a damaged number says.
 */
function groupOverhead(superblock: ExtSuperblock): number {
  const { firstDataBlock, groupCount, inodesPerGroup, inodeSize, blockSize, descriptorSize } = superblock
  const perBlock = blockSize / descriptorSize
  const descriptorBlocks = ceilDivide(groupCount, perBlock)
  const hasMetaGroups = hasBit(superblock.incompatible, extIncompatible.metaGroups)
  const plainBlocks = hasMetaGroups ? Math.min(superblock.firstMetaGroup, descriptorBlocks) : descriptorBlocks
  const backups = countExtBackups(superblock, groupCount)
  const plainBackups = countExtBackups(superblock, Math.min(groupCount, plainBlocks * perBlock))
  const perGroup = ceilDivide(inodesPerGroup * inodeSize, blockSize) + 2
  return (
    firstDataBlock +
    groupCount * perGroup +
    backups +
    plainBackups * (plainBlocks + superblock.reservedGroupBlockCount) +
    metaGroupBlocks(groupCount, plainBlocks, perBlock)
  )
}

/** Blocks of descriptors in groups of their own: one in the first, the second and the last group of each meta group. */
function metaGroupBlocks(groupCount: number, plainBlocks: number, perBlock: number): number {
  const groups = Math.max(0, groupCount - plainBlocks * perBlock)
  const rest = groups % perBlock
  const copies = Math.min(3, perBlock)
  return ((groups - rest) / perBlock) * copies + Math.min(rest, 2)
}
