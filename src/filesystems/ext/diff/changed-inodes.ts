import { floorDivide } from '../../../bytes/align.js'
import { compareBytes } from '../../../bytes/fast.js'
import { throwIfAborted } from '../../../errors.js'
import { type ExtGroup, type ExtInode, extInodeFlags, extReservedInodes, hasBit } from '../../../formats/ext/index.js'
import { type Comparison, inodeInUse, isNameable, isUsed, type Side, usedInodesOf } from './side.js'

/** An inode in both file systems. */
export interface InodePair {
  readonly number: number
  /** Null where no file has the inode. */
  readonly old: ExtInode | null
  readonly now: ExtInode | null
  /** Both are the same file. False also when another file has got the number of a deleted one. */
  readonly isSameFile: boolean
}

/** Find the inodes whose records differ, or that are in use in one of the file systems only. */
export async function findChangedInodes(comparison: Comparison): Promise<Set<number>> {
  const { old, now, signal } = comparison
  const numbers = new Set<number>()
  const groupCount = Math.max(old.superblock.groupCount, now.superblock.groupCount)
  for (let number = 0; number < groupCount; number++) {
    throwIfAborted(signal)
    const before = number < old.superblock.groupCount ? await old.volume.group(number) : null
    const after = number < now.superblock.groupCount ? await now.volume.group(number) : null
    if (before === null || after === null) {
      await addAllUsed(before === null ? now : old, (before ?? after)!, numbers)
      continue
    }
    if (isUseChanged(comparison, before, after)) await addUseChanges(comparison, before, after, numbers)
    await addRecordChanges(comparison, before, after, numbers)
  }
  return numbers
}

async function addAllUsed(side: Side, group: ExtGroup, numbers: Set<number>): Promise<void> {
  const used = await usedInodesOf(side, group)
  const first = group.number * side.superblock.inodesPerGroup + 1
  for (let index = 0; index < used.count; index++) if (isUsed(used, index)) numbers.add(first + index)
}

function isUseChanged({ changed }: Comparison, before: ExtGroup, after: ExtGroup): boolean {
  return (
    before.inodeBitmap !== after.inodeBitmap ||
    changed.has(after.inodeBitmap) ||
    before.hasNoInodes !== after.hasNoInodes ||
    before.unusedInodeCount !== after.unusedInodeCount
  )
}

async function addUseChanges(
  { old, now }: Comparison,
  before: ExtGroup,
  after: ExtGroup,
  numbers: Set<number>,
): Promise<void> {
  const [usedBefore, usedAfter] = [await usedInodesOf(old, before), await usedInodesOf(now, after)]
  const first = after.number * now.superblock.inodesPerGroup + 1
  const count = Math.max(usedBefore.count, usedAfter.count)
  for (let index = 0; index < count; index++) {
    if (isUsed(usedBefore, index) !== isUsed(usedAfter, index)) numbers.add(first + index)
  }
}

/** Compare the records in those blocks of the inode table that differ; in all of them when the table moved. */
async function addRecordChanges(
  { old, now, changed }: Comparison,
  before: ExtGroup,
  after: ExtGroup,
  numbers: Set<number>,
): Promise<void> {
  const { inodesPerGroup, inodeSize, blockSize } = now.superblock
  const perBlock = blockSize / inodeSize
  const isMoved = before.inodeTable !== after.inodeTable
  const blocks = Math.ceil(inodesPerGroup / perBlock)
  if (!isMoved && !changed.hasAny(after.inodeTable, after.inodeTable + blocks)) return
  for (let block = 0; block < blocks; block++) {
    if (!isMoved && !changed.has(after.inodeTable + block)) continue
    const a = await old.volume.block(before.inodeTable + block)
    const b = await now.volume.block(after.inodeTable + block)
    for (let index = 0; index < perBlock; index++) {
      const [from, to] = [index * inodeSize, (index + 1) * inodeSize]
      if (compareBytes(a, from, to, b, from, to) === 0) continue
      if (block * perBlock + index >= inodesPerGroup) break
      numbers.add(after.number * inodesPerGroup + block * perBlock + index + 1)
    }
  }
}

/**
 * Find an inode in both file systems. Reserved inodes, and those that hold values of attributes, are no files.
 *
 * @param inUse  the inode in the new file system; null where it is not in use
 */
export async function pairOf(comparison: Comparison, number: number, inUse: ExtInode | null): Promise<InodePair> {
  const { old, now } = comparison
  const after = fileOf(now, number, inUse)
  const isSameRecord = await isRecordShared(comparison, number)
  const before = isSameRecord ? after : fileOf(old, number, await inodeInUse(old, number))
  // The root directory stays the same one where mke2fs made the file system a second time.
  const isSameFile = before !== null && after !== null && (number === extReservedInodes.root || isSame(before, after))
  return { number, old: before, now: after, isSameFile }
}

function fileOf(side: Side, number: number, inode: ExtInode | null): ExtInode | null {
  if (inode === null || !isNameable(side, number)) return null
  return hasBit(inode.flags, extInodeFlags.attributeInode) ? null : inode
}

/** True where nothing that tells of an inode differs: content can change without a trace in the inode. */
async function isRecordShared(comparison: Comparison, number: number): Promise<boolean> {
  const { old, now, changed } = comparison
  if (number > Math.min(old.superblock.inodeCount, now.superblock.inodeCount)) return false
  if (recordKeys.some((key) => old.superblock[key] !== now.superblock[key])) return false
  const { inodesPerGroup, inodeSize, blockSize } = now.superblock
  const index = (number - 1) % inodesPerGroup
  const group = (number - 1 - index) / inodesPerGroup
  const [before, after] = [await old.volume.group(group), await now.volume.group(group)]
  if (before.inodeTable !== after.inodeTable || isUseChanged(comparison, before, after)) return false
  return !changed.has(after.inodeTable + floorDivide(index * inodeSize, blockSize))
}

/** What a record is read by. */
const recordKeys = ['incompatible', 'readOnlyCompatible', 'checksumSeed', 'firstInode'] as const

/** A new file gets another generation from the kernel, and its own time of creation. */
function isSame(old: ExtInode, now: ExtInode): boolean {
  if (old.type !== now.type || old.generation !== now.generation) return false
  if (old.crtime === null || now.crtime === null) return true
  return old.crtime.seconds === now.crtime.seconds && old.crtime.nanoseconds === now.crtime.nanoseconds
}
