import { readHalf, readWord } from '../../bytes/words.js'
import type { DeviceNumber, EntryType } from '../manifest/index.js'
import { decodeDevice } from '../manifest/index.js'
import { crc32c, crc32cWord } from './checksums.js'
import { extIncompatible, extReadOnlyCompatible, hasBit } from './features.js'
import { extInodeFlags } from './inode-flags.js'
import type { ExtSuperblock } from './superblock.js'

// Inode, little-endian.  Source: Linux Documentation/filesystems/ext4/inodes.rst
// offset size field        meaning
//   0x00    2 mode         type in bits 12 to 15, permissions
//   0x02    2 uidLo
//   0x04    4 sizeLo       bytes
//   0x08    4 atime        seconds since 1970, signed
//   0x0c    4 ctime
//   0x10    4 mtime
//   0x14    4 dtime        of the deletion; of an orphan: the next orphan
//   0x18    2 gidLo
//   0x1a    2 linkCount
//   0x1c    4 blocksLo     in units of 512 bytes, or of blocks with the flag huge_file
//   0x20    4 flags
//   0x24    4 version      lower half
//   0x28   60 map          block map, extent tree, fast symlink, inline data or device number
//   0x64    4 generation
//   0x68    4 attributesLo the block of extended attributes
//   0x6c    4 sizeHi       of files, and of directories with large_dir
//   0x70    4 fragment     not used
//   0x74    2 blocksHi
//   0x76    2 attributesHi
//   0x78    2 uidHi
//   0x7a    2 gidHi
//   0x7c    2 checksumLo
//   0x7e    2 reserved
// and in inodes of more than 128 bytes, as far as extraSize reaches:
//   0x80    2 extraSize    bytes of the fields from 0x80 on
//   0x82    2 checksumHi
//   0x84    4 ctimeExtra   bits 0 and 1: bits 32 and 33 of the seconds; the rest: nanoseconds
//   0x88    4 mtimeExtra
//   0x8c    4 atimeExtra
//   0x90    4 crtime       of the creation
//   0x94    4 crtimeExtra
//   0x98    4 versionHi
//   0x9c    4 projectId
// Extended attributes follow.
const classicSize = 0x80

/** A time of an inode. */
export interface ExtTime {
  /** Since 1970; negative before. */
  readonly seconds: number
  readonly nanoseconds: number
}

/** What an inode says about its file. */
export interface ExtInode {
  readonly number: number
  /** Null when the type bits of the mode are none that exists. */
  readonly type: EntryType | null
  /** 0 to 07777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Null when the inode has no room for it. */
  readonly projectId: number | null
  /** 1 also for a directory with more than 65,000 directories. */
  readonly linkCount: number
  /** Bytes. */
  readonly size: number
  /** Bytes on the disk, with all blocks of the map. */
  readonly allocatedSize: number
  readonly flags: number
  readonly generation: number
  readonly atime: ExtTime
  readonly mtime: ExtTime
  readonly ctime: ExtTime
  /** Null when the inode has no room for it. */
  readonly crtime: ExtTime | null
  /** Seconds since 1970; of an orphan, the next orphan. */
  readonly dtime: number
  /** Of `character` and `block`; null for all others. */
  readonly device: DeviceNumber | null
  /** The block of extended attributes; 0: none. */
  readonly attributeBlock: number
  /** Bytes of the fields beyond 128; the extended attributes in the inode follow. */
  readonly extraSize: number
  /** It may have extended attributes: a block of them, or some after the fields. */
  readonly hasAttributes: boolean
  /** 60 bytes: the block map, extent tree, fast symlink or inline data. */
  readonly map: Uint8Array
}

const types: Readonly<Record<number, EntryType>> = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  8: 'file',
  10: 'symlink',
  12: 'socket',
}

/** Parse the record of an inode: `inodeSize` bytes from `at` on. */
export function parseExtInode(superblock: ExtSuperblock, number: number, bytes: Uint8Array, at: number): ExtInode {
  const mode = readHalf(bytes, at)
  const type = types[mode >>> 12] ?? null
  const extraSize = extraSizeOf(superblock, bytes, at)
  const map = new Uint8Array(60)
  for (let i = 0; i < 60; i++) map[i] = bytes[at + 0x28 + i]!
  const flags = readWord(bytes, at + 0x20)
  const isWide = hasBit(superblock.incompatible, extIncompatible.wide)
  const attributeBlock = readWord(bytes, at + 0x68) + (isWide ? readHalf(bytes, at + 0x76) * 2 ** 32 : 0)
  return {
    number,
    type,
    mode: mode & 0o7777,
    uid: readHalf(bytes, at + 0x02) + readHalf(bytes, at + 0x78) * 2 ** 16,
    gid: readHalf(bytes, at + 0x18) + readHalf(bytes, at + 0x7a) * 2 ** 16,
    projectId: extraSize >= 0x20 ? readWord(bytes, at + 0x9c) : null,
    linkCount: readHalf(bytes, at + 0x1a),
    size: sizeOf(superblock, type, bytes, at),
    allocatedSize: allocatedSizeOf(superblock, flags, bytes, at),
    flags,
    generation: readWord(bytes, at + 0x64),
    atime: timeOf(bytes, at + 0x08, extraSize >= 0x10 ? at + 0x8c : -1),
    mtime: timeOf(bytes, at + 0x10, extraSize >= 0x0c ? at + 0x88 : -1),
    ctime: timeOf(bytes, at + 0x0c, extraSize >= 0x08 ? at + 0x84 : -1),
    crtime: extraSize >= 0x18 ? timeOf(bytes, at + 0x90, at + 0x94) : null,
    dtime: readWord(bytes, at + 0x14),
    device: type === 'character' || type === 'block' ? deviceOf(map) : null,
    attributeBlock,
    extraSize,
    hasAttributes: attributeBlock !== 0 || hasInodeAttributes(superblock, bytes, at, extraSize),
    map,
  }
}

function hasInodeAttributes({ inodeSize }: ExtSuperblock, bytes: Uint8Array, at: number, extraSize: number): boolean {
  const from = classicSize + extraSize
  // Their magic number, not to be read as a word beyond the inode.
  return extraSize > 0 && from + 4 <= inodeSize && readWord(bytes, at + from) !== 0
}

/** A size that does not fit into the inode counts as none: the fields and attributes there are not to be believed. */
function extraSizeOf({ inodeSize }: ExtSuperblock, bytes: Uint8Array, at: number): number {
  if (inodeSize < classicSize + 4) return 0
  const size = readHalf(bytes, at + 0x80)
  return size % 4 === 0 && classicSize + size <= inodeSize ? size : 0
}

function sizeOf(superblock: ExtSuperblock, type: EntryType | null, bytes: Uint8Array, at: number): number {
  const low = readWord(bytes, at + 0x04)
  const isLarge = type === 'file' || hasBit(superblock.incompatible, extIncompatible.largeDirectories)
  return isLarge ? low + readWord(bytes, at + 0x6c) * 2 ** 32 : low
}

function allocatedSizeOf(superblock: ExtSuperblock, flags: number, bytes: Uint8Array, at: number): number {
  const low = readWord(bytes, at + 0x1c)
  if (!hasBit(superblock.readOnlyCompatible, extReadOnlyCompatible.hugeFiles)) return low * 512
  const count = low + readHalf(bytes, at + 0x74) * 2 ** 32
  return count * (hasBit(flags, extInodeFlags.hugeFile) ? superblock.blockSize : 512)
}

function timeOf(bytes: Uint8Array, at: number, extraAt: number): ExtTime {
  const seconds = readWord(bytes, at) | 0
  if (extraAt < 0) return { seconds, nanoseconds: 0 }
  const extra = readWord(bytes, extraAt)
  return { seconds: seconds + (extra % 4) * 2 ** 32, nanoseconds: extra >>> 2 }
}

/** Old numbers have 8 bits each, in the first word of the map. New ones are in the second word, as Linux's dev_t. */
function deviceOf(map: Uint8Array): DeviceNumber | null {
  return decodeDevice(readWord(map, 0) === 0 ? readWord(map, 4) : readHalf(map, 0))
}

/** Where the checksums of the structures of an inode start: its directory blocks, extent nodes and itself. */
export function extInodeSeed(checksumSeed: number, number: number, generation: number): number {
  return crc32cWord(crc32cWord(checksumSeed, number), generation)
}

/** True when the checksum of an inode's record is right. */
export function isExtInodeRight(superblock: ExtSuperblock, number: number, bytes: Uint8Array, at: number): boolean {
  if (superblock.checksumSeed === null) return true
  const low = readHalf(bytes, at + 0x7c)
  let value = extInodeSeed(superblock.checksumSeed, number, readWord(bytes, at + 0x64))
  value = crc32c(value, bytes, at, at + 0x7c)
  // The two halves of the checksum count as zeros.
  value = crc32cWord(value, readHalf(bytes, at + 0x7e) * 2 ** 16)
  if (superblock.inodeSize === classicSize) return value % 2 ** 16 === low
  const [extraSize, high] = [readHalf(bytes, at + 0x80), readHalf(bytes, at + 0x82)]
  const hasHigh = extraSize >= 4
  value = crc32cWord(value, extraSize + (hasHigh ? 0 : high * 2 ** 16))
  value = crc32c(value, bytes, at + 0x84, at + superblock.inodeSize)
  return hasHigh ? value === low + high * 2 ** 16 : value % 2 ** 16 === low
}
