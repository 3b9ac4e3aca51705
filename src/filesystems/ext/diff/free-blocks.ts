import { floorDivide } from '../../../bytes/align.js'
import { extStates } from '../../../formats/ext/index.js'
import { readBlockBitmap } from '../bitmaps.js'
import type { BlockClasses } from './block-classes.js'
import type { Side } from './side.js'

/** True when the block bitmaps say what is in use: a guest that was killed leaves old ones, unless it has a journal. */
export function hasTrustedBitmaps({ superblock, files }: Side): boolean {
  if (files.journal.state === 'clean' || files.journal.state === 'replayed') return true
  return files.journal.state === 'none' && extStates(superblock).includes('clean')
}

/** Find out whether the bitmaps say that any of the blocks which are left is in use. */
export async function isAnyInUse(side: Side, classes: BlockClasses): Promise<boolean> {
  let isAny = false
  for (const [start, end] of classes.left.runs()) {
    await visitUse(side, start, end, (_start, _end, isUsed) => {
      isAny ||= isUsed
    })
    if (isAny) return true
  }
  return false
}

/** Give the blocks that no file has to the classes `free` and `other`, by the block bitmaps. */
export async function claimRest(side: Side, classes: BlockClasses): Promise<void> {
  // A copy: claims change the set.
  for (const [start, end] of classes.left.copy().runs()) {
    await visitUse(side, start, end, (from, to, isUsed) => classes.claim(isUsed ? 'other' : 'free', from, to - from))
  }
}

/** Visit stretches of blocks that are all in use or all free, by the block bitmaps. They tile the blocks, in order. */
export async function visitUse(
  { superblock, volume }: Side,
  start: number,
  end: number,
  visit: (start: number, end: number, isUsed: boolean) => void,
): Promise<void> {
  const { firstDataBlock, blocksPerGroup, blockCount, blocksPerCluster } = superblock
  // Blocks before the first one of group 0 hold a boot loader.
  if (start < firstDataBlock) visit(start, Math.min(end, firstDataBlock), true)
  const last = Math.min(end, blockCount)
  for (let at = Math.max(start, firstDataBlock); at < last; ) {
    const number = floorDivide(at - firstDataBlock, blocksPerGroup)
    const first = firstDataBlock + number * blocksPerGroup
    const stop = Math.min(last, first + blocksPerGroup)
    const found = volume.group(number)
    const group = found instanceof Promise ? await found : found
    if (group.hasNoBlockBitmap) visit(at, stop, false)
    else {
      const read = readBlockBitmap(volume, group)
      const bitmap = read instanceof Promise ? await read : read
      visitBits(bitmap, { first, start: at, end: stop, blocksPerCluster }, visit)
    }
    at = stop
  }
  if (end > Math.max(start, blockCount)) visit(Math.max(start, blockCount), end, false)
}

interface GroupPart {
  /** The block of the first bit. */
  readonly first: number
  readonly start: number
  readonly end: number
  readonly blocksPerCluster: number
}

function visitBits(
  bitmap: Uint8Array,
  { first, start, end, blocksPerCluster }: GroupPart,
  visit: (start: number, end: number, isUsed: boolean) => void,
): void {
  const bitAt = (block: number) => {
    const index = floorDivide(block - first, blocksPerCluster)
    return (bitmap[index >>> 3]! >>> (index & 7)) & 1
  }
  for (let from = start; from < end; ) {
    const bit = bitAt(from)
    let to = from + 1
    while (to < end && bitAt(to) === bit) to++
    visit(from, to, bit === 1)
    from = to
  }
}
