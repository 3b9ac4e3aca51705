import { floorDivide } from '../../bytes/align.js'
import { readHalf, readWord } from '../../bytes/words.js'
import { crc16, crc32c, crc32cWord, crcStart } from './checksums.js'
import { extCompatible, extIncompatible, extReadOnlyCompatible, hasBit } from './features.js'
import type { ExtSuperblock } from './superblock.js'

// Group descriptor, little-endian, 32 bytes, or more with 64bit.
// Source: Linux Documentation/filesystems/ext4/group_descr.rst
// offset size field            meaning
//   0x00    4 blockBitmapLo
//   0x04    4 inodeBitmapLo
//   0x08    4 inodeTableLo
//   0x0c    2 freeBlocksLo
//   0x0e    2 freeInodesLo
//   0x10    2 directoriesLo
//   0x12    2 flags            bit 0: inode bitmap and table hold nothing, bit 1: so does the block bitmap
//   0x14    4 excludeBitmapLo
//   0x18    2 blockBitmapChecksumLo
//   0x1a    2 inodeBitmapChecksumLo
//   0x1c    2 unusedInodesLo   inodes at the end of the table that were never used
//   0x1e    2 checksum
//   0x20    4 blockBitmapHi
//   0x24    4 inodeBitmapHi
//   0x28    4 inodeTableHi
//   0x2c    2 freeBlocksHi
//   0x2e    2 freeInodesHi
//   0x30    2 directoriesHi
//   0x32    2 unusedInodesHi
//   0x34    4 excludeBitmapHi
//   0x38    2 blockBitmapChecksumHi
//   0x3a    2 inodeBitmapChecksumHi
//   0x3c    4 reserved
const wideSize = 64

export interface ExtGroup {
  readonly number: number
  /** Blocks of the file system. */
  readonly blockBitmap: number
  readonly inodeBitmap: number
  readonly inodeTable: number
  readonly freeBlockCount: number
  readonly freeInodeCount: number
  /** No inode of the group was ever used. Its inode bitmap holds nothing. */
  readonly hasNoInodes: boolean
  /** The block bitmap holds nothing: only the metadata of the group is in use. */
  readonly hasNoBlockBitmap: boolean
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodeCount: number
  /** Null when the file system has none. 16 bits, or 32 with descriptors of 64 bytes. */
  readonly blockBitmapChecksum: number | null
  readonly inodeBitmapChecksum: number | null
  /** The checksum of the descriptor is right, or it has none. */
  readonly isChecksumRight: boolean
}

/** Parse a group descriptor: `descriptorSize` bytes from `at` on. */
export function parseExtGroup(superblock: ExtSuperblock, number: number, bytes: Uint8Array, at: number): ExtGroup {
  const isWide = hasBit(superblock.incompatible, extIncompatible.wide) && superblock.descriptorSize >= wideSize
  const word = (low: number, high: number) =>
    readWord(bytes, at + low) + (isWide ? readWord(bytes, at + high) * 2 ** 32 : 0)
  const half = (low: number, high: number) =>
    readHalf(bytes, at + low) + (isWide ? readHalf(bytes, at + high) * 2 ** 16 : 0)
  const hasChecksums = superblock.checksumSeed !== null
  const hasFlags = hasChecksums || hasBit(superblock.readOnlyCompatible, extReadOnlyCompatible.groupChecksums)
  const flags = hasFlags ? readHalf(bytes, at + 0x12) : 0
  return {
    number,
    blockBitmap: word(0x00, 0x20),
    inodeBitmap: word(0x04, 0x24),
    inodeTable: word(0x08, 0x28),
    freeBlockCount: half(0x0c, 0x2c),
    freeInodeCount: half(0x0e, 0x2e),
    hasNoInodes: hasBit(flags, 1),
    hasNoBlockBitmap: hasBit(flags, 2),
    unusedInodeCount: hasFlags ? half(0x1c, 0x32) : 0,
    blockBitmapChecksum: hasChecksums ? half(0x18, 0x38) : null,
    inodeBitmapChecksum: hasChecksums ? half(0x1a, 0x3a) : null,
    isChecksumRight: !hasFlags || checksumOf(superblock, number, bytes, at) === readHalf(bytes, at + 0x1e),
  }
}

const nothing = new Uint8Array(2)

function checksumOf(superblock: ExtSuperblock, number: number, bytes: Uint8Array, at: number): number {
  const { checksumSeed, descriptorSize, uuid } = superblock
  const end = at + descriptorSize
  if (checksumSeed !== null) {
    let value = crc32c(crc32cWord(checksumSeed, number), bytes, at, at + 0x1e)
    value = crc32c(value, nothing)
    return crc32c(value, bytes, at + 0x20, end) % 2 ** 16
  }
  const groupNumber = Uint8Array.of(number, number >>> 8, number >>> 16, number >>> 24)
  const value = crc16(crc16(crc16(crcStart % 2 ** 16, uuid), groupNumber), bytes, at, at + 0x1e)
  return crc16(value, bytes, at + 0x20, end)
}

/** True when a group holds a copy of the superblock and, without meta_bg, of the group descriptors. */
export function hasExtBackup(superblock: ExtSuperblock, group: number): boolean {
  if (group === 0) return true
  if (hasBit(superblock.compatible, extCompatible.sparseSuper2)) return superblock.backupGroups.includes(group)
  if (!hasBit(superblock.readOnlyCompatible, extReadOnlyCompatible.sparseSuper)) return true
  return group === 1 || [3, 5, 7].some((base) => isPowerOf(base, group))
}

/** Count the groups before `end` that hold a copy of the superblock. */
export function countExtBackups(superblock: ExtSuperblock, end: number): number {
  const isSparse2 = hasBit(superblock.compatible, extCompatible.sparseSuper2)
  if (!isSparse2 && !hasBit(superblock.readOnlyCompatible, extReadOnlyCompatible.sparseSuper)) return end
  const groups = new Set<number>(isSparse2 ? [0, ...superblock.backupGroups] : [0, 1])
  if (!isSparse2) for (const base of [3, 5, 7]) for (let power = base; power < end; power *= base) groups.add(power)
  return [...groups].filter((group) => group < end).length
}

function isPowerOf(base: number, value: number): boolean {
  let power = base
  while (power < value) power *= base
  return power === value
}

/** Compute the block that holds the descriptor of a group, and the place in it. */
export function extGroupPlace(superblock: ExtSuperblock, group: number): { block: number; offset: number } {
  const { blockSize, descriptorSize, firstMetaGroup, firstDataBlock, blocksPerGroup } = superblock
  const perBlock = blockSize / descriptorSize
  const offset = (group % perBlock) * descriptorSize
  const index = floorDivide(group, perBlock)
  // Bytes 1024 to 2047 are the superblock: with blocks of 1 KiB, block 1 also where the first data block is 0.
  const superblockAt = blockSize === 1024 ? 1 : 0
  const hasMetaGroups = hasBit(superblock.incompatible, extIncompatible.metaGroups)
  if (!hasMetaGroups || index < firstMetaGroup) return { block: superblockAt + 1 + index, offset }
  const first = index * perBlock
  const start = firstDataBlock + first * blocksPerGroup
  const skipped = hasExtBackup(superblock, first) ? 1 : 0
  const isShifted = first === 0 && firstDataBlock < superblockAt
  return { block: start + skipped + (isShifted ? 1 : 0), offset }
}
