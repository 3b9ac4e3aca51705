import { escapeText, printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { type FileSystemFacts, isExt } from '../formats/recognise/file-systems/index.js'
import type { Image } from '../images/image.js'
import { type Partition, type PartitionTable, partitionImage } from '../images/partitions/index.js'
import { type ImageContents, readContents, readPartition } from './contents.js'

/** Where in an image a file system lies. */
export interface FoundFileSystem {
  /** The bytes of the file system: the image itself, or a view of a partition. Closing it closes the image. */
  readonly image: Image
  /** Null: the file system fills the whole image. */
  readonly partition: Partition | null
}

interface Candidate {
  /** Null: the whole image. */
  readonly partition: Partition | null
  readonly fileSystem: FileSystemFacts | null
}

const onlyExt = 'umlcow reads the files of ext2, ext3 and ext4 only'
const howToChoose = 'choose one: "--partition N" or "IMAGE@N"'

/**
 * Find the file system of an image for `openExt`. It reads the partition table and the first bytes of partitions only.
 * Where nothing has a signature, it returns what the caller chose or the whole image: `openExt` may know more.
 *
 * @param number  of the partition, from 1; 0 for the whole image; null for the only file system that umlcow reads
 * @throws        UmlcowError PARTITION_MISSING when there is no such partition, or with null several of them hold a file
 *                system that umlcow reads; FS_UNKNOWN when none does; FS_DAMAGED for a damaged partition table
 */
export async function findFileSystem(image: Image, number: number | null = null): Promise<FoundFileSystem> {
  if (number === 0) return { image, partition: null }
  const contents = await readContents(image)
  if (number === null) return found(image, await choose(image, contents))
  const partition = pickPartition(contents.table, number)
  const fileSystem = await readPartition(image, partition)
  if (partition.isExtended) {
    throw new UmlcowError('FS_UNKNOWN', `partition ${number} is extended: it holds partitions, no file system`)
  }
  if (fileSystem !== null) assertExt(fileSystem, `partition ${number}`)
  return found(image, partition)
}

/** @throws UmlcowError FS_UNKNOWN for a type whose files umlcow does not read */
function assertExt(fileSystem: FileSystemFacts, place: string): void {
  if (isExt(fileSystem)) return
  throw new UmlcowError('FS_UNKNOWN', `${place} holds ${fileSystem.type}: ${fileSystem.problem ?? onlyExt}`)
}

function found(image: Image, partition: Partition | null): FoundFileSystem {
  return partition === null ? { image, partition } : { image: partitionImage(image, partition), partition }
}

/** Take a partition by its number. @throws UmlcowError PARTITION_MISSING, FS_DAMAGED */
export function pickPartition(table: PartitionTable | null, number: number): Partition {
  const partition = table?.partitions.find((one) => one.number === number)
  if (partition !== undefined) return partition
  if (table === null) {
    throw new UmlcowError('PARTITION_MISSING', `the image has no partition ${number}: it has no partition table`, {
      details: { partitions: [] },
      hint: 'leave the number out, to read a file system that fills the whole image',
    })
  }
  assertWhole(table)
  const numbers = table.partitions.map((one) => one.number)
  const there = numbers.length === 0 ? 'it has none' : `it has ${numbers.join(', ')}`
  throw new UmlcowError('PARTITION_MISSING', `the image has no partition ${number}: ${there}`, {
    details: { partitions: numbers },
  })
}

async function choose(image: Image, { table, fileSystem }: ImageContents): Promise<Partition | null> {
  if (table === null) {
    if (fileSystem !== null) assertExt(fileSystem, 'the image')
    return null
  }
  const candidates: Candidate[] = fileSystem === null ? [] : [{ partition: null, fileSystem }]
  for (const partition of table.partitions) {
    candidates.push({ partition, fileSystem: await readPartition(image, partition) })
  }
  const [one, ...others] = candidates.filter(
    (candidate) => candidate.fileSystem !== null && isExt(candidate.fileSystem),
  )
  if (one !== undefined && others.length === 0) return one.partition
  const details = { partitions: candidates.map(({ partition }) => partition?.number ?? 0) }
  if (one === undefined) {
    assertWhole(table)
    const list = candidates.map(shownCandidate).join(', ')
    throw new UmlcowError('FS_UNKNOWN', `no partition holds ext2, ext3 or ext4: ${list || 'there is none'}`, {
      details,
    })
  }
  const list = [one, ...others].map(shownCandidate).join(', ')
  throw new UmlcowError('PARTITION_MISSING', `umlcow can read several file systems of the image: ${list}`, {
    details,
    hint: howToChoose,
  })
}

/** @throws UmlcowError FS_DAMAGED when no partition can be found, because the table is damaged */
function assertWhole({ partitions, findings }: PartitionTable): void {
  if (partitions.length > 0 || findings.length === 0) return
  throw new UmlcowError('FS_DAMAGED', findings.join('; '))
}

function shownCandidate({ partition, fileSystem }: Candidate): string {
  const name = partition === null ? '0 (the whole image)' : String(partition.number)
  const title = partition?.name ?? null
  const label = fileSystem?.label ?? null
  const words = [
    partition?.isExtended ? 'extended' : (fileSystem?.type ?? 'unknown'),
    ...(title === null ? [] : [`"${escapeText(title)}"`]),
    ...(label === null ? [] : [`label "${printablePath(label)}"`]),
  ]
  return `${name}: ${words.join(' ')}`
}
