import { readBigWord } from '../../../bytes/words.js'
import { crc32c } from '../checksums.js'
import type { JournalSuperblock } from './superblock.js'
import type { JournalTag } from './tags.js'
import { journalTailSize } from './tags.js'

// Commit block, big-endian.  Source: Linux Documentation/filesystems/ext4/journal.rst
// offset size field         meaning
//   0x00   12 header
//   0x0c    1 checksumType  v1: 1 for crc32, or 0 for none
//   0x0d    1 checksumSize  v1: 4, or 0
//   0x0e    2 padding
//   0x10   32 checksum      v1: crc32 of the descriptors and data; v2, v3: crc32c of this block with zeros here
//   0x30    8 seconds       since 1970
//   0x38    4 nanoseconds
const checksumAt = 0x10

const nothing = new Uint8Array(4)

/** CRC-32 with the highest bit first, polynomial 0x04c11db7, nothing inverted at the end. */
const bigTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1
  return value
})

/** Continue the checksum of a transaction, version 1, over a block. It starts with `crcStart`. */
export function transactionChecksum(seed: number, bytes: Uint8Array): number {
  let value = seed | 0
  for (let at = 0; at < bytes.length; at++) value = (value << 8) ^ bigTable[(value >>> 24) ^ bytes[at]!]!
  return value >>> 0
}

/** True when the checksum at the end of a descriptor or a block of revokes is right, or there is none. */
export function isJournalBlockRight(journal: JournalSuperblock, bytes: Uint8Array): boolean {
  if (journal.checksumVersion < 2) return true
  const at = bytes.length - journalTailSize
  return crc32c(crc32c(journal.checksumSeed, bytes, 0, at), nothing) === readBigWord(bytes, at)
}

/** True when the checksum of a block of data is right, or there is none. */
export function isJournalDataRight(
  journal: JournalSuperblock,
  { tag, sequence, bytes }: { tag: JournalTag; sequence: number; bytes: Uint8Array },
): boolean {
  if (journal.checksumVersion < 2) return true
  const number = Uint8Array.of(sequence >>> 24, sequence >>> 16, sequence >>> 8, sequence)
  const value = crc32c(crc32c(journal.checksumSeed, number), bytes)
  return (journal.checksumVersion === 3 ? value : value % 2 ** 16) === tag.checksum
}

/**
 * True when the checksum of a commit is right, or there is none.
 *
 * @param transaction  version 1: the checksum of the transaction
 */
export function isJournalCommitRight(journal: JournalSuperblock, bytes: Uint8Array, transaction: number): boolean {
  const { checksumVersion, checksumSeed } = journal
  const stored = readBigWord(bytes, checksumAt)
  const [type, size] = [bytes[0x0c], bytes[0x0d]]
  if (checksumVersion === 0) return true
  if (checksumVersion === 1) {
    return (type === 1 && size === 4 && stored === transaction) || (type === 0 && size === 0 && stored === 0)
  }
  const value = crc32c(crc32c(checksumSeed, bytes, 0, checksumAt), nothing)
  return crc32c(value, bytes, checksumAt + 4) === stored
}

/** Read the time of a commit: seconds since 1970. */
export function journalCommitTime(bytes: Uint8Array): number {
  return readBigWord(bytes, 0x30) * 2 ** 32 + readBigWord(bytes, 0x34)
}
