import { readHalf, readWord } from '../../bytes/words.js'
import { crc32c } from './checksums.js'

// A node of an extent tree, little-endian.  Source: Linux Documentation/filesystems/ext4/ifork.rst
// header:  0x0 2 magic 0xf30a   0x2 2 count   0x4 2 capacity   0x6 2 depth (0: a leaf)   0x8 4 generation
// then entries of 12 bytes each, in a leaf:
//          0x0 4 logical   0x4 2 length   0x6 2 physicalHi   0x8 4 physicalLo
//          a length of more than 32768 is 32768 more than the blocks of an unwritten extent
// and in other nodes:
//          0x0 4 logical   0x4 4 childLo   0x8 2 childHi   0xa 2 not used
// A node in a block of its own has a checksum (crc32c) after the room for its entries.
const magic = 0xf30a
const entrySize = 12
const maxWritten = 32768

/** The most levels below the root of a tree. */
export const maxExtentDepth = 5

/** One entry of a node. */
export interface ExtentEntry {
  /** First block within the file. */
  readonly logical: number
  /** In a leaf, blocks; else 0. */
  readonly length: number
  readonly isUnwritten: boolean
  /** In a leaf, the first block of the data; else the block of the child. */
  readonly block: number
}

export interface ExtentNode {
  readonly depth: number
  readonly entries: readonly ExtentEntry[]
}

/** True when a map of an inode starts as a node does. */
export function isExtentNode(bytes: Uint8Array): boolean {
  return readHalf(bytes, 0) === magic
}

/**
 * Parse a node.
 *
 * @param bytes  the map of an inode, or a whole block
 * @returns      null when it is none, its entries do not fit, or are out of order
 */
export function parseExtentNode(bytes: Uint8Array): ExtentNode | null {
  const [count, capacity, depth] = [readHalf(bytes, 2), readHalf(bytes, 4), readHalf(bytes, 6)]
  if (!isExtentNode(bytes) || depth > maxExtentDepth) return null
  if (count > capacity || (capacity + 1) * entrySize > bytes.length || (depth > 0 && count === 0)) return null
  const entries: ExtentEntry[] = []
  let end = 0
  for (let i = 1; i <= count; i++) {
    const entry = depth === 0 ? leafEntry(bytes, i * entrySize) : indexEntry(bytes, i * entrySize)
    if (entry.logical < end) return null
    end = entry.logical + Math.max(1, entry.length)
    entries.push(entry)
  }
  return end <= 2 ** 32 ? { depth, entries } : null
}

function leafEntry(bytes: Uint8Array, at: number): ExtentEntry {
  const length = readHalf(bytes, at + 4)
  const isUnwritten = length > maxWritten
  return {
    logical: readWord(bytes, at),
    length: isUnwritten ? length - maxWritten : length,
    isUnwritten,
    block: readWord(bytes, at + 8) + readHalf(bytes, at + 6) * 2 ** 32,
  }
}

function indexEntry(bytes: Uint8Array, at: number): ExtentEntry {
  const block = readWord(bytes, at + 4) + readHalf(bytes, at + 8) * 2 ** 32
  return { logical: readWord(bytes, at), length: 0, isUnwritten: false, block }
}

/** True when the checksum of a node in a block of its own is right. @param seed  of the inode */
export function isExtentNodeRight(bytes: Uint8Array, seed: number): boolean {
  const at = (readHalf(bytes, 4) + 1) * entrySize
  return at + 4 <= bytes.length && crc32c(seed, bytes, 0, at) === readWord(bytes, at)
}
