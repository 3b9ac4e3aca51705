import type { NumberSet } from '../../../bytes/number-set.js'
import type { ExtGroup, ExtInode, ExtSuperblock } from '../../../formats/ext/index.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import { ExtFindings } from '../findings.js'
import { type ExtVolume, openVolume } from '../volume.js'

/** One of the two file systems. `volume` is for structures that the file system does not show. */
export interface Side {
  readonly files: ExtFileSystem
  readonly volume: ExtVolume
  readonly superblock: ExtSuperblock
}

export function openSide(files: ExtFileSystem): Side {
  const { image, superblock } = files
  return { files, superblock, volume: openVolume(image, superblock, new ExtFindings('report')) }
}

/** What the parts of a comparison share. */
export interface Comparison {
  readonly old: Side
  readonly now: Side
  /** Blocks that differ. */
  readonly changed: NumberSet
  readonly signal: AbortSignal | undefined
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
  return { bits: await volume.block(group.inodeBitmap), count }
}

export function isUsed({ bits, count }: UsedInodes, index: number): boolean {
  return index < count && ((bits[index >>> 3]! >>> (index & 7)) & 1) === 1
}

/** Read an inode that is in use and has a name; null for any other. */
export async function inodeInUse(side: Side, number: number): Promise<ExtInode | null> {
  const { inodeCount, inodesPerGroup } = side.superblock
  if (!(number >= 1 && number <= inodeCount)) return null
  const index = (number - 1) % inodesPerGroup
  const group = await side.volume.group((number - 1 - index) / inodesPerGroup)
  if (!isUsed(await usedInodesOf(side, group), index)) return null
  const inode = await side.files.inode(number)
  return inode.type !== null && inode.linkCount > 0 ? inode : null
}

/** True for an inode that a name can lead to: not reserved, unless it is the root directory. */
export function isNameable({ superblock }: Side, number: number): boolean {
  return number === 2 || number >= superblock.firstInode
}
