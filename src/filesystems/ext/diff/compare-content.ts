import { compareBytes } from '../../../bytes/fast.js'
import { throwIfAborted } from '../../../errors.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ByteRange } from '../../../images/compare-ranges.js'
import type { ExtExtent } from '../ext-file-system.js'
import { damagedExt } from '../findings.js'
import { readFile } from '../read-file.js'
import { ChangedRanges } from './changed-ranges.js'
import type { Comparison, Side } from './side.js'

/** How the content of two files differs. */
export interface ContentChange {
  /** See `ExtFileChange`. */
  readonly ranges: readonly ByteRange[]
  readonly rangeCount: number
  readonly isMoved: boolean
}

/** The most ranges of a file that are listed: a file of many gigabytes may differ in each second block. */
const maxRanges = 10_000

const nothing: ContentChange = { ranges: [], rangeCount: 0, isMoved: false }

/**
 * Compare the content of two files, or the targets of two links. It reads only what may differ. What is
 * encrypted cannot be read without its key: it counts as equal.
 */
export async function compareContent(comparison: Comparison, old: ExtInode, now: ExtInode): Promise<ContentChange> {
  if (old.type !== now.type || isEncrypted(old) || isEncrypted(now)) return nothing
  if (old.type === 'symlink') return compareLinks(comparison, old, now)
  if (old.type !== 'file') return nothing
  const ranges = new ChangedRanges(maxRanges)
  const common = Math.min(old.size, now.size)
  let isMoved = false
  for await (const { start, end, isMoved: moved } of doubtfulParts(comparison, old, now, common)) {
    const before = ranges.addCount
    await compareBetween(comparison, old, now, [start, end], ranges)
    isMoved ||= moved && ranges.addCount === before
  }
  const end = Math.max(old.size, now.size)
  if (end > common) ranges.add({ start: common, end })
  return { ranges: ranges.list, rangeCount: ranges.count, isMoved }
}

function isEncrypted({ flags }: ExtInode): boolean {
  return hasBit(flags, extInodeFlags.encrypted)
}

async function compareLinks({ old: before, now: after }: Comparison, old: ExtInode, now: ExtInode) {
  const [a, b] = [await before.files.readLink(old), await after.files.readLink(now)]
  if (compareBytes(a, 0, a.length, b, 0, b.length) === 0) return nothing
  return { ranges: [{ start: 0, end: Math.max(a.length, b.length) }], rangeCount: 1, isMoved: false }
}

interface Part extends ByteRange {
  /** The data lies in other blocks. */
  readonly isMoved: boolean
}

/** List the parts of the common length that may differ: where the blocks are others, or changed. */
async function* doubtfulParts(
  comparison: Comparison,
  old: ExtInode,
  now: ExtInode,
  length: number,
): AsyncGenerator<Part> {
  if (hasBit(old.flags | now.flags, extInodeFlags.inlineData)) {
    // Inline data is short, unless the other file has grown out of it.
    if (length > 0) yield { start: 0, end: length, isMoved: false }
    return
  }
  const { blockSize, blockCount } = comparison.now.superblock
  const [before, after] = [cursorOf(comparison.old, old), cursorOf(comparison.now, now)]
  let read = 0
  const last = Math.ceil(length / blockSize)
  for (let at = 0; at < last; ) {
    throwIfAborted(comparison.signal)
    const [a, b] = [await before(at), await after(at)]
    const end = Math.min(last, a.end, b.end)
    const isSamePlace = a.block === b.block
    for (const [from, to] of isSamePlace ? changedIn(comparison, b.block, at, end) : [[at, end] as const]) {
      read += to - from
      // Blocks that a map repeats would take for ever.
      if (read > 2 * blockCount) throw damagedExt(`inode ${now.number} has more data than the file system`)
      const isMoved = !isSamePlace && a.block !== null && b.block !== null
      yield { start: from * blockSize, end: Math.min(length, to * blockSize), isMoved }
    }
    at = end
  }
}

/** The blocks from `at` to `end` of a file whose data lies from `block` on and changed. */
function* changedIn(
  { changed }: Comparison,
  block: number | null,
  at: number,
  end: number,
): Generator<readonly [from: number, to: number]> {
  if (block === null) return
  for (const [from, to] of changed.runs(block, block + end - at)) yield [at + from - block, at + to - block]
}

/** Where a block of a file is, and the first block that does not follow it there. Null: it reads as zeros. */
interface Place {
  readonly block: number | null
  readonly end: number
}

/** Look up blocks of a file, which must not go back. */
function cursorOf({ files }: Side, inode: ExtInode): (at: number) => Promise<Place> {
  const iterator = files.extents(inode)[Symbol.asyncIterator]()
  let batch: readonly ExtExtent[] = []
  let index = 0
  let isDone = false
  return async (at) => {
    for (;;) {
      for (; index < batch.length; index++) {
        const { logical, length, physical } = batch[index]!
        if (logical + length <= at) continue
        return { block: physical === null ? null : physical + at - logical, end: logical + length }
      }
      if (isDone) return { block: null, end: Number.POSITIVE_INFINITY }
      const next = await iterator.next()
      isDone = next.done === true
      batch = next.done ? [] : next.value
      index = 0
    }
  }
}

/** Read a part of both files, and add the stretches of blocks that differ, without equal bytes at their ends. */
async function compareBetween(
  { old: before, now: after, signal, windows: [left, right] }: Comparison,
  old: ExtInode,
  now: ExtInode,
  [start, end]: readonly [number, number],
  ranges: ChangedRanges,
): Promise<void> {
  const { blockSize } = after.superblock
  for (let at = start; at < end; at += left.length) {
    throwIfAborted(signal)
    const [a, b] = [left.subarray(0, end - at), right.subarray(0, end - at)]
    await readFile(before.volume, old, at, a)
    await readFile(after.volume, now, at, b)
    if (compareBytes(a, 0, a.length, b, 0, b.length) === 0) continue
    const isSameAt = (from: number) => {
      const to = Math.min(a.length, from + blockSize)
      return compareBytes(a, from, to, b, from, to) === 0
    }
    for (let from = 0; from < a.length; from += blockSize) {
      if (isSameAt(from)) continue
      let to = from + blockSize
      while (to < a.length && !isSameAt(to)) to += blockSize
      addTrimmed(a, b, from, Math.min(a.length, to), at, ranges)
      from = to
    }
  }
}

function addTrimmed(
  a: Uint8Array,
  b: Uint8Array,
  from: number,
  to: number,
  offset: number,
  ranges: ChangedRanges,
): void {
  let [start, end] = [from, to]
  while (a[start] === b[start]) start++
  while (a[end - 1] === b[end - 1]) end--
  ranges.add({ start: offset + start, end: offset + end })
}
