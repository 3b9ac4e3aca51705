import { ceilDivide, floorDivide } from '../../../bytes/align.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ExtExtent } from '../ext-file-system.js'
import { damagedExt } from '../findings.js'
import type { ExtVolume } from '../volume.js'
import { walkBlockMap } from './block-map.js'
import { walkExtentTree } from './extent-tree.js'
import { type MapRange, maxFileBlocks } from './map-range.js'

/** True when the inode has a block map or an extent tree. */
export function hasBlocks(volume: ExtVolume, inode: ExtInode): boolean {
  if (hasBit(inode.flags, extInodeFlags.inlineData)) return false
  if (inode.type === 'symlink') return !isFastLink(volume, inode)
  // Reserved inodes may have a map without a type.
  return inode.type === 'file' || inode.type === 'directory' || inode.number < volume.superblock.firstInode
}

/** True when the target of a symbolic link is in the inode. */
export function isFastLink({ superblock }: ExtVolume, inode: ExtInode): boolean {
  if (inode.size >= inode.map.length || hasBit(inode.flags, extInodeFlags.inlineData)) return false
  const { blockSize, blocksPerCluster } = superblock
  const attributes = inode.attributeBlock === 0 ? 0 : blockSize * blocksPerCluster
  return inode.allocatedSize <= attributes || !hasBit(inode.flags, extInodeFlags.extents)
}

/** @throws UmlcowError FS_DAMAGED when the size cannot be right */
export function checkSize({ superblock }: ExtVolume, inode: ExtInode): void {
  if (inode.size <= maxFileBlocks * superblock.blockSize) return
  throw damagedExt(`inode ${inode.number} has ${inode.size} bytes`)
}

/** List extents that tile the blocks from `from` to `to`, and no hole beyond the end of the file. */
export async function* mapFile(
  volume: ExtVolume,
  inode: ExtInode,
  { from = 0, to = maxFileBlocks, onMapBlock }: Partial<MapRange> = {},
): AsyncGenerator<readonly ExtExtent[]> {
  checkSize(volume, inode)
  if (!hasBlocks(volume, inode)) return
  const range: MapRange = { from, to, onMapBlock }
  const isTree = hasBit(inode.flags, extInodeFlags.extents)
  let end = from
  for await (const batch of isTree ? walkExtentTree(volume, inode, range) : walkBlockMap(volume, inode, range)) {
    const tiled: ExtExtent[] = []
    for (const extent of batch) {
      if (extent.logical > end) tiled.push(holeBetween(end, extent.logical))
      tiled.push(extent)
      end = extent.logical + extent.length
    }
    if (tiled.length > 0) yield tiled
  }
  const last = Math.min(to, ceilDivide(inode.size, volume.superblock.blockSize))
  if (end < last) yield [holeBetween(end, last)]
}

function holeBetween(from: number, to: number): ExtExtent {
  return { logical: from, physical: null, length: to - from, unwrittenAt: null }
}

/** The blocks of a file that hold the bytes from `start` to `end`. */
export function blocksOf({ superblock }: ExtVolume, start: number, end: number): { from: number; to: number } {
  return { from: floorDivide(start, superblock.blockSize), to: ceilDivide(end, superblock.blockSize) }
}
