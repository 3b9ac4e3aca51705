import { readWord } from '../../../bytes/words.js'
import type { ExtInode } from '../../../formats/ext/index.js'
import type { ExtExtent } from '../ext-file-system.js'
import { damagedExt } from '../findings.js'
import { checkBlocks, type ExtVolume } from '../volume.js'
import type { MapRange } from './map-range.js'

// The map of ext2 and ext3: 12 pointers to blocks of data, then one each to a block of such pointers, to a block of
// pointers to such blocks, and one level more.  Source: Linux Documentation/filesystems/ext4/blockmap.rst
const directCount = 12
const rootPointers = 15

/** A block of pointers, and which of them comes next. */
interface Level {
  readonly pointers: Uint8Array
  next: number
  readonly count: number
  /** 0: the pointers lead to data. */
  readonly depth: number
  /** The first block of the file that the next pointer speaks of. */
  logical: number
}

/** List the extents of a block map within a range, an array for each block of pointers to data. */
export async function* walkBlockMap(
  volume: ExtVolume,
  inode: ExtInode,
  range: MapRange,
): AsyncGenerator<readonly ExtExtent[]> {
  const seen = new Set<number>()
  const perBlock = volume.superblock.blockSize / 4
  yield dataExtents(volume, { pointers: inode.map, next: 0, count: directCount, depth: 0, logical: 0 }, range)
  const indirect = { next: 0, count: 1 }
  let logical = directCount
  for (let depth = 0; directCount + depth < rootPointers; depth++) {
    const at = (directCount + depth) * 4
    const top: Level = { ...indirect, pointers: inode.map.subarray(at, at + 4), depth: depth + 1, logical }
    yield* walkLevels(volume, inode, range, top, seen)
    logical += perBlock ** (depth + 1)
  }
}

async function* walkLevels(
  volume: ExtVolume,
  inode: ExtInode,
  range: MapRange,
  top: Level,
  seen: Set<number>,
): AsyncGenerator<readonly ExtExtent[]> {
  const perBlock = volume.superblock.blockSize / 4
  const levels = [top]
  while (levels.length > 0) {
    const level = levels[levels.length - 1]!
    const child = nextChild(level, range, perBlock)
    if (child === null) {
      levels.pop()
      continue
    }
    // Two pointers to one block, or one back to a block above, would make a file of any length.
    if (seen.has(child.block)) throw damagedExt(`the block map of inode ${inode.number} has a loop`)
    seen.add(child.block)
    range.onMapBlock?.(child.block)
    const pointers = await volume.block(child.block)
    const next: Level = { pointers, next: 0, count: perBlock, depth: level.depth - 1, logical: child.logical }
    if (next.depth === 0) yield dataExtents(volume, next, range)
    else levels.push(next)
  }
}

/** Find the next pointer to a block of pointers that reaches into the range; null when there is none. */
function nextChild(level: Level, range: MapRange, perBlock: number): { block: number; logical: number } | null {
  const step = perBlock ** level.depth
  while (level.next < level.count) {
    const { logical } = level
    const block = readWord(level.pointers, level.next * 4)
    level.next++
    level.logical += step
    if (logical >= range.to) return null
    if (block !== 0 && logical + step > range.from) return { block, logical }
  }
  return null
}

/** Join the pointers to data that follow one another. */
function dataExtents(volume: ExtVolume, level: Level, range: MapRange): ExtExtent[] {
  const extents: ExtExtent[] = []
  const last = Math.min(level.count, range.to - level.logical)
  let [start, physical, length] = [0, 0, 0]
  const add = () => {
    if (length > 0) extents.push({ logical: level.logical + start, physical, length, unwrittenAt: null })
    if (length > 0) checkBlocks(volume, physical, length)
  }
  for (let i = Math.max(0, range.from - level.logical); i < last; i++) {
    const block = readWord(level.pointers, i * 4)
    if (length > 0 && block === physical + length) {
      length++
      continue
    }
    add()
    ;[start, physical, length] = [i, block, block === 0 ? 0 : 1]
  }
  add()
  return extents
}
