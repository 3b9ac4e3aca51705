import { defineStruct } from '../../../bytes/struct.js'
import { readBigWord } from '../../../bytes/words.js'
import { crc32c, crcStart } from '../checksums.js'
import { hasBit } from '../features.js'
import { journalBlockTypes, parseJournalHeader } from './header.js'

// Superblock of a journal, big-endian, packed, in its first block. Version 1 ends before the features.
// Source: Linux Documentation/filesystems/ext4/journal.rst
const fields = [
  ['header', 12], //                 0x00
  ['blockSize', 'u32'], //           0x0c
  ['blockCount', 'u32'], //          0x10 of the whole journal
  ['firstBlock', 'u32'], //          0x14 of the log
  ['sequence', 'u32'], //            0x18 of the first transaction in the log
  ['start', 'u32'], //               0x1c block of the log where that transaction starts; 0: the log is empty
  ['error', 'u32'], //               0x20
  ['compatible', 'u32'], //          0x24
  ['incompatible', 'u32'], //        0x28
  ['readOnlyCompatible', 'u32'], //  0x2c
  ['uuid', 16], //                   0x30
  ['userCount', 'u32'], //           0x40
  ['dynamicSuperblock', 'u32'], //   0x44
  ['maxTransaction', 'u32'], //      0x48
  ['maxTransactionData', 'u32'], //  0x4c
  ['checksumType', 'u8'], //         0x50 4: crc32c
  ['padding', 3], //                 0x51
  ['fastCommitBlocks', 'u32'], //    0x54 0: 256
  ['head', 'u32'], //                0x58
  ['reserved', 160], //              0x5c
  ['checksum', 'u32'], //            0xfc crc32c of all 1024 bytes, with zeros here
  ['users', 768], //                 0x100
] as const

const struct = defineStruct(fields)
const littleEndian = false

export const journalSuperblockSize: number = struct.size

/** Features that a reader of a journal must know, each a bit. */
export const journalIncompatible = {
  revokes: 0x1,
  wide: 0x2,
  asynchronousCommit: 0x4,
  checksumV2: 0x8,
  checksumV3: 0x10,
  fastCommit: 0x20,
} as const

/** The feature of version 1 of the checksums: one for each transaction. */
const checksumV1 = 0x1
const crc32cType = 4
const readable = Object.values(journalIncompatible).reduce((sum, bit) => sum + bit, 0)

/** Blocks for fast commits where the superblock does not say how many, and blocks that they must leave to the log. */
const defaultFastCommitBlocks = 256
const minLogBlocks = 1024

/** What the superblock of a journal says. */
export interface JournalSuperblock {
  readonly blockSize: number
  readonly blockCount: number
  /** The blocks of the log: half-open, and used in a circle. Those of fast commits follow. */
  readonly firstBlock: number
  readonly endBlock: number
  /** Of the first transaction in the log. */
  readonly sequence: number
  /** The block where that transaction starts; 0: the log is empty. */
  readonly start: number
  readonly hasFastCommits: boolean
  /** A commit may be on the disk before its blocks are. */
  readonly isAsynchronous: boolean
  /** Numbers of blocks have 64 bits. */
  readonly isWide: boolean
  /** 0: none. */
  readonly checksumVersion: 0 | 1 | 2 | 3
  /** Where checksums of versions 2 and 3 start. */
  readonly checksumSeed: number
  /** Features that a reader must know and this one does not. */
  readonly unknownFeatures: number
  readonly isChecksumRight: boolean
}

/** Parse the superblock of a journal. @returns  null when it is none, or its numbers cannot be right */
export function parseJournalSuperblock(bytes: Uint8Array): JournalSuperblock | null {
  const type = parseJournalHeader(bytes)?.type
  if (type !== journalBlockTypes.superblockV1 && type !== journalBlockTypes.superblockV2) return null
  const raw = struct.parse(bytes, littleEndian)
  if (type === journalBlockTypes.superblockV1) Object.assign(raw, { compatible: 0, incompatible: 0 })
  const { blockSize, blockCount, firstBlock, start, sequence, incompatible } = raw
  const checksumVersion = checksumVersionOf(raw.compatible, incompatible)
  if (checksumVersion === null || (checksumVersion > 1 && raw.checksumType !== crc32cType)) return null
  const hasFastCommits = hasBit(incompatible, journalIncompatible.fastCommit)
  const endBlock = hasFastCommits ? logEnd(blockCount, raw.fastCommitBlocks) : blockCount
  if (!(firstBlock > 0 && firstBlock < endBlock)) return null
  if (start !== 0 && !(start >= firstBlock && start < endBlock)) return null
  return {
    ...{ blockSize, blockCount, firstBlock, endBlock, sequence, start, hasFastCommits, checksumVersion },
    isAsynchronous: hasBit(incompatible, journalIncompatible.asynchronousCommit),
    isWide: hasBit(incompatible, journalIncompatible.wide),
    checksumSeed: crc32c(crcStart, raw.uuid),
    unknownFeatures: (incompatible & ~readable) >>> 0,
    isChecksumRight: checksumVersion < 2 || checksumOf(bytes) === readBigWord(bytes, struct.offsetOf('checksum')),
  }
}

/** @returns  null when there are two versions at once */
function checksumVersionOf(compatible: number, incompatible: number): 0 | 1 | 2 | 3 | null {
  const versions = [
    hasBit(compatible, checksumV1) ? [1 as const] : [],
    hasBit(incompatible, journalIncompatible.checksumV2) ? [2 as const] : [],
    hasBit(incompatible, journalIncompatible.checksumV3) ? [3 as const] : [],
  ].flat()
  return versions.length > 1 ? null : (versions[0] ?? 0)
}

function logEnd(blockCount: number, fastCommitBlocks: number): number {
  const end = blockCount - (fastCommitBlocks === 0 ? defaultFastCommitBlocks : fastCommitBlocks)
  return end >= minLogBlocks ? end : blockCount
}

function checksumOf(bytes: Uint8Array): number {
  const at = struct.offsetOf('checksum')
  return crc32c(crc32c(crc32c(crcStart, bytes, 0, at), new Uint8Array(4)), bytes, at + 4, struct.size)
}
