import { allocateUnsafe } from '../../bytes/fast.js'
import { isZero } from '../../bytes/zeros.js'
import { type ExtGroup, type ExtInode, isExtInodeRight, parseExtInode } from '../../formats/ext/index.js'
import { readInodeBitmap } from './bitmaps.js'
import { damagedExt } from './findings.js'
import { checkBlocks, type ExtVolume } from './volume.js'

/** Bytes of inode tables that a scan reads at once: 1024 inodes of 256 bytes. */
const windowLength = 256 * 1024

/** Where the record of an inode is: in a block, from a byte on. */
export interface InodeRecord {
  readonly bytes: Uint8Array
  readonly at: number
}

/** Find the record of an inode: at once where the cache has it. @throws UmlcowError FS_DAMAGED when there is none */
export function inodeRecord(volume: ExtVolume, number: number): InodeRecord | Promise<InodeRecord> {
  const { inodeCount, inodesPerGroup } = volume.superblock
  if (!(number >= 1 && number <= inodeCount)) throw damagedExt(`it names inode ${number}, and has ${inodeCount}`)
  const index = (number - 1) % inodesPerGroup
  const group = volume.group((number - 1 - index) / inodesPerGroup)
  return group instanceof Promise
    ? group.then((found) => recordIn(volume, found, index))
    : recordIn(volume, group, index)
}

function recordIn(volume: ExtVolume, group: ExtGroup, index: number): InodeRecord | Promise<InodeRecord> {
  const { inodeSize, blockSize } = volume.superblock
  const at = (index * inodeSize) % blockSize
  const bytes = volume.block(group.inodeTable + (index * inodeSize - at) / blockSize)
  return bytes instanceof Promise ? bytes.then((read) => ({ bytes: read, at })) : { bytes, at }
}

/** Read inodes, with a wait only where the cache lacks a block: by number, as a directory has them in any order. */
export async function readInodes(volume: ExtVolume, numbers: readonly number[]): Promise<ExtInode[]> {
  const inodes = new Array<ExtInode>(numbers.length)
  for (const i of orderOf(numbers)) {
    const number = numbers[i]!
    const found = inodeRecord(volume, number)
    const { bytes, at } = found instanceof Promise ? await found : found
    inodes[i] = checkedInode(volume, number, bytes, at)
  }
  return inodes
}

/** List the places of numbers, the lowest number first. */
function orderOf(numbers: readonly number[]): Iterable<number> {
  const isSorted = numbers.every((number, i) => i === 0 || number >= numbers[i - 1]!)
  return isSorted ? numbers.keys() : Uint32Array.from(numbers.keys()).sort((a, b) => numbers[a]! - numbers[b]!)
}

function checkedInode(volume: ExtVolume, number: number, bytes: Uint8Array, at: number): ExtInode {
  const { superblock, findings } = volume
  // An inode that nothing has used yet is all zeros, its checksum too.
  if (!isExtInodeRight(superblock, number, bytes, at) && !isZero(bytes, at, at + superblock.inodeSize)) {
    findings.damage('checksum', `wrong checksum of inode ${number}`)
  }
  return parseExtInode(superblock, number, bytes, at)
}

/** Records of inodes that are in use, out of one group. */
export interface InodeWindow {
  readonly numbers: readonly number[]
  /** Valid until the next window. */
  readonly bytes: Uint8Array
  /** Where the record of each number is in the bytes. */
  readonly places: readonly number[]
}

/** Read all inodes that the bitmaps say are in use, in batches. */
export async function* scanInodes(volume: ExtVolume): AsyncGenerator<readonly ExtInode[]> {
  for await (const { numbers, bytes, places } of scanRecords(volume)) {
    yield numbers.map((number, i) => checkedInode(volume, number, bytes, places[i]!))
  }
}

/** Read the records of all inodes that the bitmaps say are in use, unchecked, in windows. */
export async function* scanRecords(volume: ExtVolume): AsyncGenerator<InodeWindow> {
  const window = allocateUnsafe(windowLength)
  for (let number = 0; number < volume.superblock.groupCount; number++) {
    const group = await volume.group(number)
    if (!group.hasNoInodes) yield* scanGroup(volume, group, window)
  }
}

async function* scanGroup(volume: ExtVolume, group: ExtGroup, window: Uint8Array): AsyncGenerator<InodeWindow> {
  const { inodesPerGroup, inodeSize, blockSize } = volume.superblock
  const bitmap = await readInodeBitmap(volume, group)
  const count = Math.max(0, inodesPerGroup - group.unusedInodeCount)
  checkBlocks(volume, group.inodeTable, Math.ceil((inodesPerGroup * inodeSize) / blockSize))
  const step = windowLength / inodeSize
  const base = group.number * inodesPerGroup + 1
  for (let first = 0; first < count; first += step) {
    const used = usedBetween(bitmap, first, Math.min(count, first + step))
    if (used.length === 0) continue
    const start = used[0]!
    const bytes = window.subarray(0, (used[used.length - 1]! + 1 - start) * inodeSize)
    await volume.image.read(group.inodeTable * blockSize + start * inodeSize, bytes)
    const numbers = used.map((index) => base + index)
    yield { numbers, bytes, places: used.map((index) => (index - start) * inodeSize) }
  }
}

/** List the bits that are set. */
function usedBetween(bitmap: Uint8Array, from: number, to: number): number[] {
  const used: number[] = []
  for (let index = from; index < to; index++) {
    if ((bitmap[index >>> 3]! >>> (index & 7)) & 1) used.push(index)
  }
  return used
}
