import { readHalf, readWord } from '../../bytes/words.js'
import type { EntryType } from '../manifest/index.js'
import { crc32c } from './checksums.js'

// A block of a directory holds records, little-endian.  Source: Linux Documentation/filesystems/ext4/directory.rst
// offset size field       meaning
//   0x00    4 inode       0: the record is free
//   0x04    2 length      of the record, a multiple of 4
//   0x06    1 nameLength
//   0x07    1 type        with the feature filetype
//   0x08      name
// With metadata checksums, the last record of a block is free, 12 bytes long, has the type 0xde, and at 0x08 a crc32c.
// Nodes of a hash tree look like blocks with one free record: the tree is behind it. The root of the tree has it behind
// "." and "..". The tree has its own checksum.
const headerSize = 8
const tailSize = 12
const tailType = 0xde

const types: readonly (EntryType | null)[] = [
  null,
  'file',
  'directory',
  'character',
  'block',
  'fifo',
  'socket',
  'symlink',
]

/** A name in a block of a directory. */
export interface DirectoryRecord {
  readonly name: Uint8Array
  readonly inode: number
  /** Null when the directory does not say it. */
  readonly type: EntryType | null
}

/** How to read a directory. */
export interface DirectoryReading {
  /** The file system has the feature filetype. */
  readonly hasTypes: boolean
  /** Chooses records before their names are copied. */
  readonly isWanted: (inode: number, type: EntryType | null) => boolean
  /** The part is the start of a directory: its first two records are `.` and `..`. */
  readonly isStart: boolean
}

/**
 * List the names in a part of a directory, without `.` and `..` at its start. Elsewhere, these are names that no
 * program can ask for, and the list has them.
 *
 * @param bytes  records from `from` to `to`
 * @returns      null when the records do not tile the part, or a name cannot be one
 */
export function parseDirectoryBlock(
  bytes: Uint8Array,
  from: number,
  to: number,
  { hasTypes, isWanted, isStart }: DirectoryReading,
): DirectoryRecord[] | null {
  const records: DirectoryRecord[] = []
  /** Dots that the next record has for a name. */
  let dots = isStart ? 1 : 3
  let at = from
  while (at < to) {
    const length = at + headerSize <= to ? recordLength(bytes, at, to - from) : 0
    if (length < headerSize || length % 4 !== 0 || at + length > to) return null
    const inode = readWord(bytes, at)
    if (inode !== 0) {
      const nameLength = bytes[at + 6]!
      if (nameLength === 0 || headerSize + nameLength > length) return null
      const type = hasTypes ? (types[bytes[at + 7]!] ?? null) : null
      if (!(dots < 3 && isDots(bytes, at + headerSize, nameLength, dots)) && isWanted(inode, type)) {
        const name = new Uint8Array(nameLength)
        for (let i = 0; i < nameLength; i++) name[i] = bytes[at + headerSize + i]!
        records.push({ name, inode, type })
      }
    }
    dots++
    at += length
  }
  return records
}

/** In blocks of 64 KiB, the length of a whole block does not fit: it is 0 or 65535 then. Bits 0 and 1 are bits 16, 17. */
function recordLength(bytes: Uint8Array, at: number, blockSize: number): number {
  const length = readHalf(bytes, at + 4)
  if (blockSize < 65536) return length
  if (length === 0 || length === 65535) return 65536
  return length - (length % 4) + (length % 4) * 65536
}

/** True for `.` with one dot, and for `..` with two. */
function isDots(bytes: Uint8Array, at: number, length: number, dots: number): boolean {
  return length === dots && bytes[at] === 0x2e && (length === 1 || bytes[at + 1] === 0x2e)
}

/** True when the checksum of a block is right. @param seed  of the inode  @param isIndexed  the directory has a tree */
export function isDirectoryBlockRight(bytes: Uint8Array, seed: number, isIndexed: boolean): boolean {
  const treeAt = isIndexed ? treeStart(bytes) : 0
  if (treeAt > 0) return isTreeRight(bytes, treeAt, seed)
  const tail = bytes.length - tailSize
  const hasTail = readWord(bytes, tail) === 0 && readHalf(bytes, tail + 4) === tailSize && bytes[tail + 7] === tailType
  return hasTail && crc32c(seed, bytes, 0, tail) === readWord(bytes, tail + 8)
}

/** Find where the entries of a tree start: their capacity and count. 0: the block holds names. */
function treeStart(bytes: Uint8Array): number {
  const size = bytes.length
  if (recordLength(bytes, 0, size) === size) return readWord(bytes, 0) === 0 ? 8 : 0
  const isRoot = readHalf(bytes, 4) === 12 && recordLength(bytes, 12, size) === size - 12
  // After "." and "..": 4 bytes of zeros, the hash version, the length of this header: 8.
  return isRoot && readWord(bytes, 24) === 0 && bytes[29] === 8 ? 32 : 0
}

const nothing = new Uint8Array(4)

function isTreeRight(bytes: Uint8Array, at: number, seed: number): boolean {
  const [capacity, count] = [readHalf(bytes, at), readHalf(bytes, at + 2)]
  const tail = at + capacity * 8
  if (count > capacity || tail + 8 > bytes.length) return false
  const value = crc32c(crc32c(seed, bytes, 0, at + count * 8), bytes, tail, tail + 4)
  return crc32c(value, nothing) === readWord(bytes, tail + 4)
}
