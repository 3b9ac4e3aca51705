import { escapeText, printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { type FileSystemFacts, isExt } from '../formats/recognise/file-systems/index.js'
import type { Image } from '../images/image.js'
import { type Partition, partitionImage } from '../images/partitions/index.js'
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

const howToChoose = 'choose one: "--partition N" or "IMAGE@N"'

/**
 * Find the file system of an image for `openExt`. It reads the partition table and the first bytes of partitions only.
 *
 * @param number  of the partition, from 1; 0 for the whole image; null for the only file system that umlcow reads
 * @throws        UmlcowError PARTITION_MISSING when there is no such partition, or with null several of them hold a file
 *                system that umlcow reads; FS_UNKNOWN when none does; FS_DAMAGED for a damaged partition table
 */
export async function findFileSystem(image: Image, number: number | null = null): Promise<FoundFileSystem> {
  if (number === 0) return { image, partition: null }
  const contents = await readContents(image)
  return found(image, number === null ? await choose(image, contents) : pick(contents, number))
}

function found(image: Image, partition: Partition | null): FoundFileSystem {
  return partition === null ? { image, partition } : { image: partitionImage(image, partition), partition }
}

/** Take a partition by its number. @throws UmlcowError PARTITION_MISSING, FS_DAMAGED */
export function pick({ table }: ImageContents, number: number): Partition {
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

async function choose(image: Image, contents: ImageContents): Promise<Partition | null> {
  const whole: Candidate = { partition: null, fileSystem: contents.fileSystem }
  const candidates = [whole]
  for (const partition of contents.table?.partitions ?? []) {
    candidates.push({ partition, fileSystem: await readPartition(image, partition) })
  }
  const [one, ...others] = candidates.filter(({ fileSystem }) => fileSystem !== null && isExt(fileSystem))
  if (one !== undefined && others.length === 0) return one.partition
  if (one === undefined && contents.table !== null) assertWhole(contents.table)
  const shown = candidates.filter(({ partition, fileSystem }) => partition !== null || fileSystem !== null)
  const details = { partitions: shown.map(({ partition }) => partition?.number ?? 0) }
  if (one === undefined) throw new UmlcowError('FS_UNKNOWN', nothingRead(contents, shown), { details })
  throw new UmlcowError('PARTITION_MISSING', `several file systems are in the image: ${listed(shown)}`, {
    details,
    hint: howToChoose,
  })
}

/** @throws UmlcowError FS_DAMAGED when no partition can be found, because the table is damaged */
function assertWhole({ partitions, findings }: NonNullable<ImageContents['table']>): void {
  if (partitions.length > 0 || findings.length === 0) return
  throw new UmlcowError('FS_DAMAGED', findings.join('; '))
}

function nothingRead({ fileSystem, table }: ImageContents, shown: readonly Candidate[]): string {
  if (table === null && fileSystem !== null) return `the image holds ${fileSystem.type}: ${fileSystem.problem}`
  if (shown.length === 0) return 'the image holds neither a file system nor partitions that umlcow knows'
  return `no partition holds ext2, ext3 or ext4: ${listed(shown)}`
}

function listed(candidates: readonly Candidate[]): string {
  return candidates.map(shownCandidate).join(', ')
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
