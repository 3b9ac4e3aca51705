import { readBigHalf, readBigWord } from '../../../bytes/words.js'
import { hasBit } from '../features.js'
import { journalHeaderSize } from './header.js'
import type { JournalSuperblock } from './superblock.js'

// Blocks that say what a transaction changes, big-endian.  Source: Linux Documentation/filesystems/ext4/journal.rst
// A descriptor holds a tag for each block of data that follows it:
//          checksums v3         all others
//   0x0    4 blockLo            4 blockLo
//   0x4    4 flags              2 checksum  v2: the lower half
//   0x6                         2 flags
//   0x8    4 blockHi            4 blockHi   with 64bit only
//   0xc    4 checksum           2 not used  v2 only; without 64bit at 0x8
// A tag without the flag "same UUID" has 16 bytes more.
// A block of revokes:  0xc 4 length, bytes with the header; 0x10 numbers of blocks, 4 bytes each, with 64bit 8.
// With checksums v2 and v3, both end with a crc32c of the block.
const flags = { escaped: 1, sameUuid: 2, last: 8 } as const
const uuidSize = 16
const revokesStart = 16

/** Bytes of the checksum at the end of a descriptor or a block of revokes. */
export const journalTailSize = 4

/** What a descriptor says about a block of data. */
export interface JournalTag {
  /** Where the data belongs: a block of the file system. */
  readonly block: number
  /** The first four bytes were the magic number of a journal, and are zeros in the journal. */
  readonly isEscaped: boolean
  /** With checksums v2 16 bits, with v3 32. */
  readonly checksum: number
}

function roomOf(journal: JournalSuperblock): number {
  return journal.blockSize - (journal.checksumVersion > 1 ? journalTailSize : 0)
}

/** Parse the tags of a descriptor. */
export function parseJournalTags(journal: JournalSuperblock, bytes: Uint8Array): JournalTag[] {
  const room = roomOf(journal)
  const isV3 = journal.checksumVersion === 3
  const size = isV3 ? 16 : 8 + (journal.checksumVersion === 2 ? 2 : 0) + (journal.isWide ? 4 : 0)
  const tags: JournalTag[] = []
  for (let at = journalHeaderSize; at + size <= room; at += size) {
    const bits = isV3 ? readBigWord(bytes, at + 4) : readBigHalf(bytes, at + 6)
    tags.push({
      block: readBigWord(bytes, at) + (journal.isWide ? readBigWord(bytes, at + 8) * 2 ** 32 : 0),
      isEscaped: hasBit(bits, flags.escaped),
      checksum: isV3 ? readBigWord(bytes, at + 12) : readBigHalf(bytes, at + 4),
    })
    if (hasBit(bits, flags.last)) break
    if (!hasBit(bits, flags.sameUuid)) at += uuidSize
  }
  return tags
}

/** Parse a block of revokes. @returns  null when its length cannot be right */
export function parseJournalRevokes(journal: JournalSuperblock, bytes: Uint8Array): number[] | null {
  const end = readBigWord(bytes, journalHeaderSize)
  if (end < revokesStart || end > roomOf(journal)) return null
  const size = journal.isWide ? 8 : 4
  const blocks: number[] = []
  for (let at = revokesStart; at + size <= end; at += size) {
    const high = journal.isWide ? readBigWord(bytes, at) : 0
    blocks.push(high * 2 ** 32 + readBigWord(bytes, at + size - 4))
  }
  return blocks
}
