import { floorDivide } from '../../../bytes/align.js'
import { hasBit } from '../../../formats/ext/index.js'
import type { BlockClasses } from './block-classes.js'
import type { Side } from './side.js'

/** True when the block bitmaps say what is in use: a guest that was killed leaves old ones, unless it has a journal. */
export function hasTrustedBitmaps({ superblock, files }: Side): boolean {
  if (files.journal.state === 'clean' || files.journal.state === 'replayed') return true
  const isClean = hasBit(superblock.state, 1) && !hasBit(superblock.state, 2)
  return isClean && files.journal.state === 'none'
}

/** Find out whether the bitmaps say that any of the blocks which are left is in use. */
export async function isAnyInUse(side: Side, classes: BlockClasses): Promise<boolean> {
  for (const [start, end] of classes.left.runs()) {
    for (let block = start; block < end; block++) if (await isInUse(side, block)) return true
  }
  return false
}

/** Give the blocks that no file has to the classes `free` and `other`, by the block bitmaps. */
export async function claimRest(side: Side, classes: BlockClasses): Promise<void> {
  // A copy: claims change the set.
  for (const [start, end] of classes.left.copy().runs()) {
    for (let block = start; block < end; block++) {
      classes.claim((await isInUse(side, block)) ? 'other' : 'free', block)
    }
  }
}

async function isInUse({ superblock, volume }: Side, block: number): Promise<boolean> {
  const { firstDataBlock, blocksPerGroup, blockCount, blocksPerCluster } = superblock
  // Blocks before the first one of group 0 hold a boot loader.
  if (block < firstDataBlock) return true
  if (block >= blockCount) return false
  const number = floorDivide(block - firstDataBlock, blocksPerGroup)
  const found = volume.group(number)
  const group = found instanceof Promise ? await found : found
  if (group.hasNoBlockBitmap) return false
  const index = floorDivide(block - firstDataBlock - number * blocksPerGroup, blocksPerCluster)
  const read = volume.block(group.blockBitmap)
  const bitmap = read instanceof Promise ? await read : read
  return ((bitmap[index >>> 3]! >>> (index & 7)) & 1) === 1
}
