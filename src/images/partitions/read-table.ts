import { parseBootRecord, protectiveType } from '../../formats/partitions/index.js'
import type { Image } from '../image.js'
import type { PartitionTable } from './partition-table.js'
import { readGpt } from './read-gpt.js'
import { readMbr } from './read-mbr.js'

/**
 * Read the partition table of an image: a GUID partition table or a master boot record with its extended partitions.
 * Damage of the table is a finding.
 *
 * @param start  the first bytes of the image, 512 at least unless it is shorter
 * @returns      null when the image has no such table
 */
export async function readPartitionTable(image: Image, start: Uint8Array): Promise<PartitionTable | null> {
  const record = parseBootRecord(start)
  if (record === null) return null
  const protective = record.entries.find((entry) => entry?.type === protectiveType)
  return protective ? readGpt(image, protective) : readMbr(image, record)
}
