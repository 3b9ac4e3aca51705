import { readHalf, readWord } from '../../../bytes/words.js'

// A block of fast commits starts with a head, little-endian.  Source: Linux Documentation/filesystems/ext4/journal.rst
// offset size field     meaning
//   0x00    2 tag       9
//   0x02    2 length    8
//   0x04    4 features
//   0x08    4 sequence  of the transaction that follows the last one in the log
const headTag = 9
const headLength = 8

/** Read which transaction the fast commits that start with a block continue. @returns  null when there are none */
export function parseFastCommitHead(bytes: Uint8Array): number | null {
  return readHalf(bytes, 0) === headTag && readHalf(bytes, 2) === headLength ? readWord(bytes, 8) : null
}
