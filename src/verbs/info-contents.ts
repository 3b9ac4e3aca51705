import { throwIfAborted, UmlcowError } from '../errors.js'
import { readContents, readPartition } from '../filesystems/contents.js'
import { pickPartition } from '../filesystems/find-file-system.js'
import type { FileSystemFacts } from '../formats/recognise/file-systems/index.js'
import type { Partition, PartitionTable } from '../images/partitions/index.js'
import type { HostFiles, HostPath } from '../machine/host-files.js'
import type { BackingInspection } from '../overlays/inspect-backing.js'
import { namingImage } from '../overlays/open-file-system.js'
import { type OpenBackingOptions, openFileImage } from '../overlays/open-image.js'

/** A partition, and what fills it. */
export interface PartitionInfo extends Partition {
  /** Null for nothing that umlcow knows. */
  readonly fileSystem: FileSystemFacts | null
}

/** The partitions and file systems in an image. */
export interface ContentsInfo {
  /** What fills the whole image; null for nothing that umlcow knows. */
  readonly fileSystem: FileSystemFacts | null
  /** Null when the image has no partition table. */
  readonly table: (PartitionTable & { readonly partitions: readonly PartitionInfo[] }) | null
  /** Why umlcow could not look; null when it could. */
  readonly problem: string | null
}

interface ContentsOptions extends OpenBackingOptions {
  readonly fast?: boolean | undefined
  readonly noBacking?: boolean | undefined
  readonly partition?: number | undefined
}

/**
 * Look for partitions and file systems in an image. It reads some kilobytes of each.
 *
 * @param above  what is known about an overlay; null for a file that stands alone
 * @returns      null when the caller does not want to know, or the backing file is not there or does not fit
 * @throws       UmlcowError only when the caller asks for a partition
 */
export async function infoOfContents(
  files: HostFiles,
  path: HostPath,
  options: ContentsOptions,
  above: { readonly backing: BackingInspection | null } | null,
): Promise<ContentsInfo | null> {
  const { fast, noBacking, partition } = options
  const look = () => namingImage(path, () => lookInside(files, path, options))
  if (partition !== undefined) return look()
  const isMisfit = above?.backing != null && above.backing.findings.length > 0
  if (fast || isMisfit || (noBacking && above !== null)) return null
  try {
    return await look()
  } catch (error) {
    // The rest of the report is right all the same: a read may have failed, or a table of the image may be damaged.
    if (!(error instanceof UmlcowError) || error.code === 'INTERRUPTED') throw error
    return { fileSystem: null, table: null, problem: error.message }
  }
}

async function lookInside(files: HostFiles, path: HostPath, options: ContentsOptions): Promise<ContentsInfo> {
  const { partition, signal } = options
  await using image = await openFileImage(files, path, options)
  const { fileSystem, table } = await readContents(image)
  if (partition === 0) return { fileSystem, table: null, problem: null }
  const chosen = partition === undefined ? null : pickPartition(table, partition)
  if (table === null) return { fileSystem, table, problem: null }
  const partitions: PartitionInfo[] = []
  for (const one of chosen === null ? table.partitions : [chosen]) {
    throwIfAborted(signal)
    partitions.push({ ...one, fileSystem: await readPartition(image, one) })
  }
  return { fileSystem: chosen === null ? fileSystem : null, table: { ...table, partitions }, problem: null }
}
