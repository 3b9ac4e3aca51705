import { readBigWord } from '../../../bytes/words.js'

// All blocks of a journal that hold no data start with this, big-endian.
// Source: Linux Documentation/filesystems/ext4/journal.rst
// offset size field     meaning
//   0x00    4 magic     0xc03b3998; a block of data that starts with it has zeros there in the journal (escaped)
//   0x04    4 type
//   0x08    4 sequence  of the transaction
export const journalMagic = 0xc03b3998
export const journalHeaderSize = 12

export const journalBlockTypes = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revokes: 5 } as const

export interface JournalHeader {
  readonly type: number
  readonly sequence: number
}

/** Parse the header of a block. @returns  null when there is none */
export function parseJournalHeader(bytes: Uint8Array): JournalHeader | null {
  if (readBigWord(bytes, 0) !== journalMagic) return null
  return { type: readBigWord(bytes, 4), sequence: readBigWord(bytes, 8) }
}
