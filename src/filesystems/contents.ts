import {
  type FileSystemFacts,
  firstSignatures,
  lastSignature,
  recogniseFileSystem,
} from '../formats/recognise/file-systems/index.js'
import type { Image } from '../images/image.js'
import { type Partition, type PartitionTable, partitionImage, readPartitionTable } from '../images/partitions/index.js'

/** What an image, or a partition, begins with. */
export interface Signature {
  /** What fills it; null for nothing that umlcow knows. */
  readonly fileSystem: FileSystemFacts | null
  /** The bytes that were read to find out. */
  readonly start: Uint8Array
}

/** Recognise what fills an image. It reads 8 KiB, and 68 KiB when those show nothing. */
export async function readSignature(image: Image): Promise<Signature> {
  const first = await readStart(image, firstSignatures)
  const fileSystem = recogniseFileSystem(first)
  if (fileSystem !== null || image.virtualSize <= firstSignatures) return { fileSystem, start: first }
  const start = await readStart(image, lastSignature)
  return { fileSystem: recogniseFileSystem(start), start }
}

async function readStart(image: Image, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(length, image.virtualSize))
  await image.read(0, bytes)
  return bytes
}

/** What an image holds. */
export interface ImageContents {
  /** What fills the whole image. A disk with partitions can still have a signature of what it held before. */
  readonly fileSystem: FileSystemFacts | null
  readonly table: PartitionTable | null
}

/** Find what fills an image, and its partition table. */
export async function readContents(image: Image): Promise<ImageContents> {
  const { fileSystem, start } = await readSignature(image)
  // The boot sector of vfat ends as a master boot record does, and has its code where that has its table.
  if (fileSystem?.type === 'vfat') return { fileSystem, table: null }
  const table = await readPartitionTable(image, start)
  // So does a boot sector with code that lies before another file system.
  const isEmpty = table?.partitions.length === 0 && table.findings.length === 0
  return { fileSystem, table: isEmpty && fileSystem !== null ? null : table }
}

/** Recognise what fills a partition. */
export async function readPartition(image: Image, partition: Partition): Promise<FileSystemFacts | null> {
  if (partition.isExtended) return null
  return (await readSignature(partitionImage(image, partition))).fileSystem
}
