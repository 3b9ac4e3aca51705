import { allocateUnsafe } from '../../../bytes/fast.js'
import type { NumberSet } from '../../../bytes/number-set.js'
import { type ExtGroup, type ExtInode, type ExtSuperblock, extReservedInodes } from '../../../formats/ext/index.js'
import { readInodeBitmap } from '../bitmaps.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import type { ExtVolume } from '../volume.js'

/**
 * One of the two file systems. `volume` is for structures that the file system does not show, and for content: unlike the
 * volume of the file system it keeps no data in memory, as the blocks that changed lie far apart.
 */
export interface Side {
  readonly files: ExtFileSystem
  readonly volume: ExtVolume
  readonly superblock: ExtSuperblock
}

export function openSide(files: ExtFileSystem): Side {
  const { image, superblock } = files
  const readData = (offset: number, target: Uint8Array) => image.read(offset, target)
  return { files, superblock, volume: { ...files.volume, readData } }
}

/** What the parts of a comparison share. */
export interface Comparison {
  readonly old: Side
  readonly now: Side
  /** Blocks that differ. */
  readonly changed: NumberSet
  /** Room for content of both, one piece at a time. A multiple of every block size. */
  readonly windows: readonly [Uint8Array, Uint8Array]
  readonly signal: AbortSignal | undefined
}

/** Bytes of content read from each file at once. */
const windowLength = 128 * 1024

export function openComparison(
  old: ExtFileSystem,
  now: ExtFileSystem,
  changed: NumberSet,
  signal: AbortSignal | undefined,
): Comparison {
  const windows = [allocateUnsafe(windowLength), allocateUnsafe(windowLength)] as const
  return { old: openSide(old), now: openSide(now), changed, windows, signal }
}

/** The inodes of a group that may be in use: the bits of its bitmap, and how many count. */
export interface UsedInodes {
  readonly bits: Uint8Array
  readonly count: number
}

const none: UsedInodes = { bits: new Uint8Array(0), count: 0 }

/** Get the used inodes of a group: none where nothing has written the bitmap or the table. */
export async function usedInodesOf({ volume, superblock }: Side, group: ExtGroup): Promise<UsedInodes> {
  if (group.hasNoInodes) return none
  const count = Math.max(0, superblock.inodesPerGroup - group.unusedInodeCount)
  return { bits: await readInodeBitmap(volume, group), count }
}

export function isUsed({ bits, count }: UsedInodes, index: number): boolean {
  return index < count && ((bits[index >>> 3]! >>> (index & 7)) & 1) === 1
}

/** Read an inode that is in use and has a name; null for any other. */
export async function inodeInUse(side: Side, number: number): Promise<ExtInode | null> {
  const inode = await inodeWithBlocks(side, number)
  return inode !== null && inode.linkCount > 0 ? inode : null
}

/** Read an inode whose blocks are its own: it has a name, or was deleted while open. Null for any other. */
export async function inodeWithBlocks(side: Side, number: number): Promise<ExtInode | null> {
  const { inodeCount, inodesPerGroup } = side.superblock
  if (!(number >= 1 && number <= inodeCount)) return null
  const index = (number - 1) % inodesPerGroup
  const group = await side.volume.group((number - 1 - index) / inodesPerGroup)
  if (!isUsed(await usedInodesOf(side, group), index)) return null
  const inode = await side.files.inode(number)
  return hasOwnBlocks(side, inode) ? inode : null
}

/** True for an inode that has a name, or was deleted while open. */
export function hasOwnBlocks({ files }: Side, { number, type, linkCount }: ExtInode): boolean {
  return type !== null && (linkCount > 0 || files.orphans.includes(number))
}

/** True for an inode that a name can lead to: not reserved, unless it is the root directory. */
export function isNameable({ superblock }: Side, number: number): boolean {
  return number === extReservedInodes.root || number >= superblock.firstInode
}
