import {
  type BootRecord,
  bootRecordSize,
  isExtendedType,
  type MbrEntry,
  mbrTypeName,
  parseBootRecord,
} from '../../formats/partitions/index.js'
import type { Image } from '../image.js'
import { type Partition, type PartitionTable, TableDraft } from './partition-table.js'

/** Of a master boot record. Disks with sectors of 4 KiB and such a table say nowhere that they are; hardly any exist. */
const sectorSize = 512
const firstLogical = 5

/** Boot records that umlcow follows in an extended partition. */
const longestChain = 256

/** List the partitions of a master boot record, and those in its extended partitions. */
export async function readMbr(image: Image, record: BootRecord): Promise<PartitionTable> {
  const draft = new TableDraft(image.virtualSize)
  const diskId = record.diskId === 0 ? null : hex(record.diskId, 8)
  for (const [i, entry] of record.entries.entries()) {
    if (entry !== null) draft.add(partitionOf(entry, i + 1, 0, diskId))
  }
  let number = firstLogical
  for (const entry of record.entries) {
    if (entry === null || !isExtendedType(entry.type)) continue
    for await (const logical of logicalPartitions(image, entry, draft)) {
      if (!draft.add(partitionOf(logical, number++, logical.base, diskId))) break
    }
  }
  return { kind: 'mbr', sectorSize, uuid: diskId, partitions: draft.partitions, findings: draft.findings }
}

function partitionOf(entry: MbrEntry, number: number, base: number, diskId: string | null): Partition {
  return {
    number,
    start: (base + entry.start) * sectorSize,
    length: entry.sectorCount * sectorSize,
    type: hex(entry.type, 1),
    typeName: mbrTypeName(entry.type),
    name: null,
    uuid: diskId === null ? null : `${diskId}-${hex(number, 2)}`,
    isBootable: entry.isActive,
    isExtended: isExtendedType(entry.type),
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** An entry, and the sector that its start counts from. */
type LogicalEntry = MbrEntry & { readonly base: number }

/** Follow the chain of boot records in an extended partition. It may lead anywhere, also back. */
async function* logicalPartitions(image: Image, extended: MbrEntry, draft: TableDraft): AsyncGenerator<LogicalEntry> {
  const seen = new Set<number>()
  for (let base = extended.start; ; ) {
    if (seen.has(base) || seen.size >= longestChain) {
      draft.findings.push(`the chain of logical partitions goes in a circle, or is too long, at sector ${base}`)
      return
    }
    const record = await readRecord(image, base)
    if (record === null) {
      // A new extended partition may have no boot record yet.
      if (seen.size > 0) draft.findings.push(`the chain of logical partitions is broken: no table in sector ${base}`)
      return
    }
    seen.add(base)
    for (const entry of record.entries) {
      if (entry !== null && !isExtendedType(entry.type)) yield { ...entry, base }
    }
    const next = record.entries.find((entry) => entry !== null && isExtendedType(entry.type))
    if (!next) return
    base = extended.start + next.start
  }
}

async function readRecord(image: Image, sector: number): Promise<BootRecord | null> {
  const offset = sector * sectorSize
  if (offset + bootRecordSize > image.virtualSize) return null
  const bytes = new Uint8Array(bootRecordSize)
  await image.read(offset, bytes)
  return parseBootRecord(bytes)
}
