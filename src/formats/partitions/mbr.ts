import { defineStruct } from '../../bytes/struct.js'

// Master boot record, and the boot records of extended partitions: four entries of 16 bytes at byte 446 of a sector,
// little-endian, then 0x55 0xaa.  Source: UEFI Specification 2.10, 5.2.1, "Legacy Master Boot Record (MBR)"
const entryFields = [
  ['bootFlag', 'u8'], //    0 0x80: active, 0: not
  ['firstChs', 3], //       1 cylinder, head and sector, which no system of today reads
  ['type', 'u8'], //        4 0: no partition
  ['lastChs', 3], //        5
  ['start', 'u32'], //      8 sectors: from the start of the disk, or of what the boot record is relative to
  ['sectorCount', 'u32'], // 12
] as const

const entryStruct = defineStruct(entryFields)
const entriesOffset = 446
const entryCount = 4
const diskIdOffset = 440

/** Bytes of a boot record that umlcow reads, whatever the size of a sector is. */
export const bootRecordSize = 512

/** Entry of a boot record. Numbers are sectors. */
export interface MbrEntry {
  readonly isActive: boolean
  /** A number from 1 to 255. */
  readonly type: number
  readonly start: number
  readonly sectorCount: number
}

/** A boot record with a table of partitions. */
export interface BootRecord {
  /** What Windows and Linux tell disks apart by; 0 for none. */
  readonly diskId: number
  /** The four entries; null for an unused one. */
  readonly entries: readonly (MbrEntry | null)[]
}

/** Parse the first sector of a disk or of an extended partition; null when it has no table of partitions. */
export function parseBootRecord(bytes: Uint8Array): BootRecord | null {
  if (bytes.length < bootRecordSize || bytes[510] !== 0x55 || bytes[511] !== 0xaa) return null
  const raw = Array.from({ length: entryCount }, (_, i) =>
    entryStruct.parse(bytes.subarray(entriesOffset + i * entryStruct.size), true),
  )
  // A boot sector with code in the place of the table hardly ever has these bytes in all four entries.
  if (raw.some(({ bootFlag }) => bootFlag !== 0 && bootFlag !== 0x80)) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    diskId: view.getUint32(diskIdOffset, true),
    entries: raw.map(({ bootFlag, type, start, sectorCount }) =>
      type === 0 || sectorCount === 0 ? null : { isActive: bootFlag === 0x80, type, start, sectorCount },
    ),
  }
}

/** The type of the entry that covers a disk with a GUID partition table, so that old programs leave it alone. */
export const protectiveType = 0xee

const extendedTypes: readonly number[] = [0x05, 0x0f, 0x85]

/** True for the type of a partition that holds a chain of boot records, each with one logical partition. */
export function isExtendedType(type: number): boolean {
  return extendedTypes.includes(type)
}
