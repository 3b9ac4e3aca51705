import {
  type GptEntry,
  type GptHeader,
  type GptProblem,
  gptTypeName,
  type MbrEntry,
  parseGptEntries,
  parseGptHeader,
} from '../../formats/partitions/index.js'
import type { Image } from '../image.js'
import { type PartitionTable, TableDraft } from './partition-table.js'

/** Sizes of sectors that disks have, bytes. Nothing says which one an image has but the place of the table. */
const sectorSizes = [512, 4096] as const

interface ReadTable {
  readonly sectorSize: number
  readonly header: GptHeader
  readonly entries: readonly GptEntry[]
}

/**
 * List the partitions of a GUID partition table. Where its first copy is damaged, the one at the end is used.
 *
 * @param protective  the entry of the master boot record that covers the disk
 */
export async function readGpt(image: Image, protective: MbrEntry): Promise<PartitionTable> {
  const first = await readFirst(image)
  const draft = new TableDraft(image.virtualSize)
  const table = 'problem' in first ? await readBackup(image, protective, first.header) : first
  if ('problem' in first) {
    const backup = table === null ? 'and umlcow finds no copy of it' : 'so umlcow uses the copy at the end'
    draft.findings.push(`the GUID partition table is damaged: ${first.problem}, ${backup}`)
  }
  for (const entry of table?.entries ?? []) {
    if (!draft.add(partitionOf(entry, table!.sectorSize))) break
  }
  return {
    kind: 'gpt',
    sectorSize: table?.sectorSize ?? sectorSizes[0],
    uuid: table?.header.diskGuid ?? null,
    partitions: draft.partitions,
    findings: draft.findings,
  }
}

function partitionOf({ number, type, guid, first, last, isBootable, name }: GptEntry, sectorSize: number) {
  return {
    number,
    start: first * sectorSize,
    length: (last - first + 1) * sectorSize,
    type,
    typeName: gptTypeName(type),
    name: name === '' ? null : name,
    uuid: guid,
    isBootable,
    isExtended: false,
  }
}

/** A copy of the table that cannot be used. Its header is there when only the array of partitions is damaged. */
type Unusable = GptProblem & { readonly header?: { readonly copy: number } }

async function readFirst(image: Image): Promise<ReadTable | Unusable> {
  const tried: Unusable[] = []
  for (const sectorSize of sectorSizes) {
    const table = await readCopy(image, sectorSize, 1)
    if (!('problem' in table)) return table
    tried.push(table)
  }
  return tried.find(({ isAbsent }) => !isAbsent) ?? tried[0]!
}

/** Look where a copy can be: where the first header says; at the end of the image, or of the disk that it once was. */
async function readBackup(
  image: Image,
  protective: MbrEntry,
  header: { readonly copy: number } | undefined,
): Promise<ReadTable | null> {
  for (const sectorSize of sectorSizes) {
    const end = Math.floor(image.virtualSize / sectorSize) - 1
    for (const sector of new Set([end, protective.start + protective.sectorCount - 1, header?.copy ?? end])) {
      const table = await readCopy(image, sectorSize, sector)
      if (!('problem' in table)) return table
    }
  }
  return null
}

/** Read the copy of the table whose header is in this sector. */
async function readCopy(image: Image, sectorSize: number, sector: number): Promise<ReadTable | Unusable> {
  const bytes = await readWithin(image, sector * sectorSize, sectorSize)
  if (bytes === null) return { problem: 'the image ends before it', isAbsent: true }
  const header = parseGptHeader(bytes, sector)
  if ('problem' in header) return header
  const copy = { copy: header.otherSector }
  const length = header.entryCount * header.entrySize
  const array = await readWithin(image, header.entriesSector * sectorSize, length)
  if (array === null) return { problem: 'the image ends before its array of partitions', header: copy }
  const entries = parseGptEntries(array, header)
  return 'problem' in entries ? { ...entries, header: copy } : { sectorSize, header, entries }
}

/** Read bytes of an image; null when it does not have all of them. */
async function readWithin(image: Image, offset: number, length: number): Promise<Uint8Array | null> {
  if (offset < 0 || !(offset + length <= image.virtualSize)) return null
  const bytes = new Uint8Array(length)
  await image.read(offset, bytes)
  return bytes
}
