import { crc32 } from 'node:zlib'
import { type Image, openMemoryStore, openRawImage } from '../../src/core.js'

// Partition tables written number by number. They share no code with src/.

export function imageOf(bytes: Uint8Array): Image {
  return openRawImage(openMemoryStore(bytes))
}

export interface MbrLine {
  readonly type: number
  /** Sectors. */
  readonly start: number
  readonly count: number
  readonly flag?: number
}

/** Write a boot record with these entries into a sector. */
export function writeBootRecord(disk: Buffer, sector: number, lines: readonly (MbrLine | null)[], diskId = 0): void {
  const record = disk.subarray(sector * 512, (sector + 1) * 512)
  record.writeUInt32LE(diskId, 440)
  for (const [i, line] of lines.entries()) {
    if (line === null) continue
    const at = 446 + i * 16
    record[at] = line.flag ?? 0
    record[at + 4] = line.type
    record.writeUInt32LE(line.start, at + 8)
    record.writeUInt32LE(line.count, at + 12)
  }
  record.writeUInt16LE(0xaa55, 510)
}

export interface GptLine {
  readonly type: string
  readonly guid?: string
  /** Sectors; the last one belongs to the partition. */
  readonly first: number
  readonly last: number
  readonly name?: string
  readonly isBootable?: boolean
}

export const linuxType = '0fc63daf-8483-4772-8e79-3d69d8477de4'

function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes
}

export interface GptDisk {
  readonly bytes: Buffer
  readonly sectorSize: number
  /** Numbers of sectors. */
  readonly lastSector: number
  readonly backupEntries: number
}

/** Make a disk with a GUID partition table and its copy. @param lines  null: an unused entry */
export function makeGptDisk(
  sectorSize: number,
  sectorCount: number,
  lines: readonly (GptLine | null)[],
  { entryCount = 128, entrySize = 128 } = {},
): GptDisk {
  const bytes = Buffer.alloc(sectorSize * sectorCount)
  writeBootRecord(bytes, 0, [{ type: 0xee, start: 1, count: sectorCount - 1 }])
  const array = Buffer.alloc(entryCount * entrySize)
  for (const [i, line] of lines.entries()) {
    if (line === null) continue
    const entry = array.subarray(i * entrySize, (i + 1) * entrySize)
    entry.set(guidBytes(line.type), 0)
    entry.set(guidBytes(line.guid ?? `00000000-0000-4000-8000-${String(i + 1).padStart(12, '0')}`), 16)
    entry.writeBigUInt64LE(BigInt(line.first), 32)
    entry.writeBigUInt64LE(BigInt(line.last), 40)
    if (line.isBootable) entry[48] = 4
    entry.write(line.name ?? '', 56, 72, 'utf16le')
  }
  const lastSector = sectorCount - 1
  const backupEntries = lastSector - Math.ceil(array.length / sectorSize)
  for (const [own, other, entries] of [
    [1, lastSector, 2],
    [lastSector, 1, backupEntries],
  ] as const) {
    bytes.set(array, entries * sectorSize)
    const header = bytes.subarray(own * sectorSize, own * sectorSize + 92)
    header.write('EFI PART', 'latin1')
    for (const [at, value] of [
      [8, 0x10000],
      [12, 92],
      [80, entryCount],
      [84, entrySize],
      [88, crc32(array)],
    ] as const) {
      header.writeUInt32LE(value, at)
    }
    for (const [at, value] of [
      [24, own],
      [32, other],
      [40, 34],
      [48, backupEntries - 1],
      [72, entries],
    ] as const) {
      header.writeBigUInt64LE(BigInt(value), at)
    }
    header.set(guidBytes('11223344-5566-4788-99aa-bbccddeeff00'), 56)
    sealGptHeader(header)
  }
  return { bytes, sectorSize, lastSector, backupEntries }
}

/** Compute the checksum of a header of 92 bytes anew. */
export function sealGptHeader(header: Buffer): void {
  header.writeUInt32LE(0, 16)
  header.writeUInt32LE(crc32(header), 16)
}
