import { ceilDivide } from '../../../bytes/align.js'
import type { NumberSet } from '../../../bytes/number-set.js'
import {
  type ExtInode,
  extGroupPlace,
  extIncompatible,
  extInodeFlags,
  extReservedInodes,
  hasBit,
  hasExtBackup,
} from '../../../formats/ext/index.js'
import type { ExtBlockClass } from './ext-differences.js'
import type { Side } from './side.js'

/** Takes claims on blocks: each block goes to the first class that claims it. */
export interface BlockClaims {
  /** How many blocks no class has yet. */
  readonly leftCount: number
  claim(name: ExtBlockClass, start: number, length?: number): void
}

/** Gives each block of a set to one class, and counts the blocks of each class. */
export class BlockClasses implements BlockClaims {
  /** The blocks that no class has yet. */
  readonly left: NumberSet
  readonly counts: Record<ExtBlockClass, number> = {
    superblocks: 0,
    descriptors: 0,
    bitmaps: 0,
    inodeTables: 0,
    journal: 0,
    directories: 0,
    maps: 0,
    attributes: 0,
    fileData: 0,
    orphanFile: 0,
    resizeInode: 0,
    other: 0,
    free: 0,
    outside: 0,
  }

  constructor(blocks: NumberSet) {
    this.left = blocks.copy()
  }

  get leftCount(): number {
    return this.left.count
  }

  claim(name: ExtBlockClass, start: number, length = 1): void {
    this.counts[name] += this.left.remove(start, start + length)
  }
}

/** Claim what a file system has at fixed places, by its superblock and its group descriptors. */
export async function claimLayout(side: Side, classes: BlockClaims): Promise<void> {
  const { superblock, volume } = side
  const { blockSize, inodesPerGroup, inodeSize, groupCount, firstDataBlock, blocksPerGroup } = superblock
  const tableLength = ceilDivide(inodesPerGroup * inodeSize, blockSize)
  // The primary superblock is at byte 1024.
  classes.claim('superblocks', blockSize === 1024 ? 1 : 0)
  for (let number = 0; number < groupCount && classes.leftCount > 0; number++) {
    const start = firstDataBlock + number * blocksPerGroup
    if (number > 0 && hasExtBackup(superblock, number)) classes.claim('superblocks', start)
    classes.claim('descriptors', extGroupPlace(superblock, number).block)
    claimCopies(side, number, start, classes)
    const group = await volume.group(number)
    classes.claim('bitmaps', group.blockBitmap)
    classes.claim('bitmaps', group.inodeBitmap)
    classes.claim('inodeTables', group.inodeTable, tableLength)
  }
}

/** Claim the copies of group descriptors in a group. */
function claimCopies({ superblock }: Side, number: number, start: number, classes: BlockClaims): void {
  const { blockSize, descriptorSize, groupCount, firstMetaGroup } = superblock
  const perBlock = blockSize / descriptorSize
  const hasSuperblock = hasExtBackup(superblock, number)
  const isMeta = hasBit(superblock.incompatible, extIncompatible.metaGroups)
  const plainLength = isMeta ? firstMetaGroup : ceilDivide(groupCount, perBlock)
  if (hasSuperblock && number > 0) classes.claim('descriptors', start + 1, plainLength)
  // The first, the second and the last group of a meta group have the block with its descriptors.
  const place = number % perBlock
  const isCopy = place === 0 || place === 1 || place === perBlock - 1
  if (isMeta && isCopy && number >= firstMetaGroup * perBlock)
    classes.claim('descriptors', start + (hasSuperblock ? 1 : 0))
}

/** The class of the blocks that a file has. */
export function classOfFile(
  { superblock }: Side,
  { number, type, flags }: Pick<ExtInode, 'number' | 'type' | 'flags'>,
): ExtBlockClass {
  if (number === superblock.journalInode) return 'journal'
  if (number === superblock.orphanFileInode && number !== 0) return 'orphanFile'
  if (number === extReservedInodes.resize) return 'resizeInode'
  if (hasBit(flags, extInodeFlags.attributeInode)) return 'attributes'
  if (type === 'directory') return 'directories'
  return number < superblock.firstInode ? 'other' : 'fileData'
}

/** Where the parts of a file are. */
export interface FilePlaces {
  readonly onData: (start: number, length: number) => void
  readonly onMap: (block: number) => void
  readonly onAttributes: (block: number) => void
}

/** Visit all blocks that an inode has, also those that it only reserved. */
export async function visitBlocks({ files }: Side, inode: ExtInode, places: FilePlaces): Promise<void> {
  if (inode.attributeBlock !== 0) places.onAttributes(inode.attributeBlock)
  for await (const extents of files.extents(inode, { onMapBlock: places.onMap })) {
    for (const { physical, unwrittenAt, length } of extents) {
      const start = physical ?? unwrittenAt
      if (start !== null) places.onData(start, length)
    }
  }
}

/** Claim all blocks of an inode. */
export async function claimInode(side: Side, inode: ExtInode, classes: BlockClaims): Promise<void> {
  const name = classOfFile(side, inode)
  await visitBlocks(side, inode, {
    onData: (start, length) => classes.claim(name, start, length),
    onMap: (block) => classes.claim(name === 'journal' || name === 'resizeInode' ? name : 'maps', block),
    onAttributes: (block) => classes.claim('attributes', block),
  })
}

/** Claim what the file system keeps in inodes without a name: the journal first, which changes most. */
export async function claimHiddenInodes(side: Side, classes: BlockClaims): Promise<void> {
  const { journalInode, orphanFileInode, firstInode, inodeCount } = side.superblock
  const { badBlocks, root, resize } = extReservedInodes
  const hidden = new Set([journalInode, orphanFileInode])
  for (let number = 1; number < Math.min(firstInode, maxReserved); number++) hidden.add(number)
  hidden.delete(root)
  for (const number of hidden) {
    if (classes.leftCount === 0) return
    if (number < 1 || number > inodeCount) continue
    const inode = await side.files.inode(number)
    // These two have no link.
    const isInUse = inode.linkCount > 0 || number === resize || number === badBlocks
    if (isInUse) await claimInode(side, inode, classes)
  }
}

/** More reserved inodes than any file system has: the number of the first other one comes from the superblock. */
const maxReserved = 32
