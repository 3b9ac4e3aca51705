import { crc32 } from '../../bytes/crc32.js'
import { copyOf, equalBytes, latin1Bytes } from '../../bytes/fast.js'
import { defineStruct } from '../../bytes/struct.js'
import { uuidText } from '../../bytes/uuid-text.js'

// GUID partition table, little-endian: a header in sector 1 and a copy in the last sector, each with an array of entries.
// Source: UEFI Specification 2.10, 5.3.2 "GPT Header" and 5.3.3 "GPT Partition Entry Array"
const headerFields = [
  ['signature', 8], //         0 "EFI PART"
  ['revision', 'u32'], //      8 0x00010000
  ['headerSize', 'u32'], //   12 92 to the size of a sector
  ['checksum', 'u32'], //     16 CRC-32 of the header, with zeros in this field
  ['reserved', 'u32'], //     20
  ['ownSector', 'u64'], //    24 where this header is
  ['otherSector', 'u64'], //  32 where its copy is
  ['firstUsable', 'u64'], //  40
  ['lastUsable', 'u64'], //   48
  ['diskGuid', 16], //        56
  ['entriesSector', 'u64'], // 72 first sector of the array
  ['entryCount', 'u32'], //   80
  ['entrySize', 'u32'], //    84 128, 256, 512, ...
  ['entriesChecksum', 'u32'], // 88 CRC-32 of the array
] as const

const entryFields = [
  ['type', 16], //            0 zeros: no partition
  ['guid', 16], //           16
  ['first', 'u64'], //       32 first sector
  ['last', 'u64'], //        40 last sector, which belongs to the partition
  ['attributes', 8], //      48 bit 2: a BIOS can boot it
  ['name', 72], //           56 UTF-16, ends at a NUL
] as const

const headerStruct = defineStruct(headerFields)
const entryStruct = defineStruct(entryFields)
const signature = latin1Bytes('EFI PART')

/** Longest array of entries that umlcow reads, bytes: 8192 entries. The usual one has 16 KiB. */
const longestArray = 2 ** 20

/** A header whose checksum is right, and whose numbers are possible. Places are sectors. */
export interface GptHeader {
  readonly otherSector: number
  readonly diskGuid: string
  readonly entriesSector: number
  readonly entryCount: number
  readonly entrySize: number
  readonly entriesChecksum: number
}

/** A partition of a GUID partition table. */
export interface GptEntry {
  /** From 1: the place in the array. */
  readonly number: number
  readonly type: string
  readonly guid: string
  /** First and last sector. Infinity where the number is too large. */
  readonly first: number
  readonly last: number
  readonly isBootable: boolean
  readonly name: string
}

/** Why a header or an array of entries cannot be used: a sentence about the table. */
export interface GptProblem {
  readonly problem: string
  /** Nothing there looks like a table. */
  readonly isAbsent?: boolean
}

/**
 * Parse a header of a GUID partition table, and check it.
 *
 * @param bytes   the sector
 * @param sector  its number
 */
export function parseGptHeader(bytes: Uint8Array, sector: number): GptHeader | GptProblem {
  if (bytes.length < headerStruct.size || !equalBytes(bytes.subarray(0, signature.length), signature)) {
    return { problem: 'it has no header', isAbsent: true }
  }
  const raw = headerStruct.parse(bytes, true)
  const { headerSize, entryCount, entrySize } = raw
  if (headerSize < headerStruct.size || headerSize > bytes.length) {
    return { problem: `its header has an impossible size of ${headerSize} bytes` }
  }
  const summed = copyOf(bytes.subarray(0, headerSize))
  summed.fill(0, headerStruct.offsetOf('checksum'), headerStruct.offsetOf('reserved'))
  if (crc32(summed) !== raw.checksum) return { problem: 'its header has a wrong checksum' }
  if (raw.ownSector !== sector) return { problem: `its header belongs in sector ${raw.ownSector}, not ${sector}` }
  if (entrySize % 128 !== 0 || entrySize === 0 || entryCount * entrySize > longestArray) {
    return { problem: `it has ${entryCount} entries of ${entrySize} bytes, which umlcow does not read` }
  }
  return { ...raw, diskGuid: guidText(raw.diskGuid) }
}

/** Parse the array of entries: those in use. */
export function parseGptEntries(
  array: Uint8Array,
  { entryCount, entrySize, entriesChecksum }: GptHeader,
): GptEntry[] | GptProblem {
  if (crc32(array) !== entriesChecksum) return { problem: 'its array of partitions has a wrong checksum' }
  const entries: GptEntry[] = []
  for (let i = 0; i < entryCount; i++) {
    const { type, guid, first, last, attributes, name } = entryStruct.parse(array.subarray(i * entrySize), true)
    if (type.every((byte) => byte === 0)) continue
    const isBootable = (attributes[0]! & 4) !== 0
    entries.push({
      number: i + 1,
      type: guidText(type),
      guid: guidText(guid),
      first,
      last,
      isBootable,
      name: nameOf(name),
    })
  }
  return entries
}

function nameOf(bytes: Uint8Array): string {
  const [name] = new TextDecoder('utf-16le', { ignoreBOM: true }).decode(bytes).split('\0', 1)
  return name!
}

/** Format a GUID: the first three numbers are little-endian. */
function guidText(bytes: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
  return uuidText(Uint8Array.from(order, (from) => bytes[from]!))
}
