import {
  type ExtentEntry,
  type ExtentNode,
  type ExtInode,
  extInodeSeed,
  isExtentNodeRight,
  parseExtentNode,
} from '../../../formats/ext/index.js'
import type { ExtExtent } from '../ext-file-system.js'
import { damagedExt } from '../findings.js'
import { checkBlocks, type ExtVolume } from '../volume.js'
import { type MapRange, maxFileBlocks } from './map-range.js'

/** A node on the way from the root to a leaf. */
interface Level {
  readonly node: ExtentNode
  /** The entry to look at next. */
  next: number
  /** Blocks of the file that the node may speak of. */
  readonly from: number
  readonly to: number
}

/**
 * List the extents of a tree within a range, an array for each leaf.
 *
 * The depth falls with each step, and each node must lie between its neighbours, so no tree has a loop.
 */
export async function* walkExtentTree(
  volume: ExtVolume,
  inode: ExtInode,
  range: MapRange,
): AsyncGenerator<readonly ExtExtent[]> {
  const root = parseExtentNode(inode.map)
  if (root === null) throw damagedTree(inode)
  const seen = new Set<number>()
  const levels: Level[] = [{ node: root, next: 0, from: 0, to: maxFileBlocks }]
  while (levels.length > 0) {
    const level = levels.pop()!
    if (level.node.depth === 0) {
      yield leafExtents(volume, inode, level, range)
      continue
    }
    const child = nextChild(level, range)
    if (child === null) continue
    levels.push(level)
    const { block } = child.entry
    if (seen.has(block)) throw damagedTree(inode)
    seen.add(block)
    range.onMapBlock?.(block)
    const bytes = await volume.block(block)
    const node = parseExtentNode(bytes)
    if (node === null || node.depth !== level.node.depth - 1) throw damagedTree(inode)
    verify(volume, inode, bytes, block)
    levels.push({ node, next: 0, from: child.entry.logical, to: child.to })
  }
}

/** Find the next child that reaches into the range, and where its successor starts; null when there is none. */
function nextChild(level: Level, range: MapRange): { entry: ExtentEntry; to: number } | null {
  const { entries } = level.node
  while (level.next < entries.length) {
    const entry = entries[level.next++]!
    const to = entries[level.next]?.logical ?? level.to
    if (entry.logical >= range.to) return null
    if (to > range.from) return { entry, to }
  }
  return null
}

function leafExtents(volume: ExtVolume, inode: ExtInode, level: Level, range: MapRange): ExtExtent[] {
  const extents: ExtExtent[] = []
  for (const { logical, length, block, isUnwritten } of level.node.entries) {
    const isInside = logical >= level.from && logical + length <= level.to
    if (length === 0 || !isInside) throw damagedTree(inode)
    const start = Math.max(logical, range.from)
    const end = Math.min(logical + length, range.to)
    if (start >= end) continue
    checkBlocks(volume, block, length)
    const place = block + start - logical
    extents.push({
      logical: start,
      physical: isUnwritten ? null : place,
      length: end - start,
      unwrittenAt: isUnwritten ? place : null,
    })
  }
  return extents
}

function verify({ superblock, findings }: ExtVolume, inode: ExtInode, bytes: Uint8Array, block: number): void {
  const { checksumSeed } = superblock
  if (checksumSeed === null) return
  if (isExtentNodeRight(bytes, extInodeSeed(checksumSeed, inode.number, inode.generation))) return
  findings.damage('checksum', `wrong checksum of block ${block}, extents of inode ${inode.number}`)
}

function damagedTree(inode: ExtInode): Error {
  return damagedExt(`the extents of inode ${inode.number} cannot be right`)
}
