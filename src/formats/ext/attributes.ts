import { concatBytes, latin1Bytes } from '../../bytes/fast.js'
import { readHalf, readWord } from '../../bytes/words.js'
import { crc32c, crc32cWord } from './checksums.js'

// Extended attributes, little-endian.  Source: Linux Documentation/filesystems/ext4/attributes.rst
// A block starts with: 0x00 4 magic   0x04 4 references   0x08 4 blocks (1)   0x0c 4 hash   0x10 4 checksum   0x14 12 zeros
// In an inode, only the magic number comes before the entries. They end at four zeros, or where there is no more room.
// entry:  0x00 1 nameLength   0x01 1 prefix       0x02 2 valueOffset  in a block from its start, in an inode from the
//         0x04 4 valueInode   0x08 4 valueLength  0x0c 4 hash                  first entry
//         0x10 name, padded to a multiple of 4 bytes
const magic = 0xea020000
const entrySize = 16
const blockHeaderSize = 32

/** Full names start with these. The name of an ACL is a prefix without more. */
const prefixes: readonly string[] = [
  '',
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  'lustre.',
  'security.',
  'system.',
  'system.richacl',
  'encryption.',
  'gnu.',
]

/** An attribute as it is stored. */
export interface StoredAttribute {
  /** The full name, such as `user.x`. */
  readonly name: Uint8Array
  /** The stored bytes; null when they are the content of another inode. */
  readonly value: Uint8Array | null
  /** The inode that holds the value; 0: none. */
  readonly valueInode: number
  readonly valueLength: number
}

/** Parse the attributes in an inode's record. @returns  null when an entry cannot be right */
export function parseInodeAttributes(bytes: Uint8Array, from: number, to: number): StoredAttribute[] | null {
  if (from + 8 > to || readWord(bytes, from) !== magic) return []
  return parseEntries(bytes, from + 4, to, from + 4)
}

/** Parse a block of attributes. @returns  null when it is none, or an entry cannot be right */
export function parseAttributeBlock(bytes: Uint8Array): StoredAttribute[] | null {
  if (readWord(bytes, 0) !== magic || readWord(bytes, 8) !== 1) return null
  return parseEntries(bytes, blockHeaderSize, bytes.length, 0)
}

function parseEntries(bytes: Uint8Array, from: number, to: number, base: number): StoredAttribute[] | null {
  const attributes: StoredAttribute[] = []
  let at = from
  // Values do not overlap: a small block cannot make many large copies.
  let room = to - from
  while (at + 4 <= to && readWord(bytes, at) !== 0) {
    const attribute = at + entrySize <= to ? parseEntry(bytes, at, to, base) : null
    if (attribute === null) return null
    room -= attribute.value?.length ?? 0
    if (room < 0) return null
    attributes.push(attribute)
    at += entrySize + Math.ceil(bytes[at]! / 4) * 4
  }
  return attributes
}

function parseEntry(bytes: Uint8Array, at: number, to: number, base: number): StoredAttribute | null {
  const nameEnd = at + entrySize + bytes[at]!
  const prefix = prefixes[bytes[at + 1]!]
  const [valueInode, valueLength] = [readWord(bytes, at + 4), readWord(bytes, at + 8)]
  const start = base + readHalf(bytes, at + 2)
  if (prefix === undefined || nameEnd > to) return null
  const name = concatBytes([latin1Bytes(prefix), bytes.subarray(at + entrySize, nameEnd)])
  if (valueInode !== 0) return { name, value: null, valueInode, valueLength }
  if (start + valueLength > to) return null
  return { name, value: Uint8Array.from(bytes.subarray(start, start + valueLength)), valueInode, valueLength }
}

const nothing = new Uint8Array(4)

/** True when the checksum of a block of attributes is right. */
export function isAttributeBlockRight(bytes: Uint8Array, block: number, checksumSeed: number): boolean {
  let value = crc32cWord(crc32cWord(checksumSeed, block % 2 ** 32), Math.floor(block / 2 ** 32))
  value = crc32c(crc32c(value, bytes, 0, 16), nothing)
  return crc32c(value, bytes, 20) === readWord(bytes, 16)
}
