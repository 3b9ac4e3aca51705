import { uuidTextOrNull } from '../../bytes/uuid-text.js'
import { type ExtFinding, type ExtUsage, extUsage } from '../../filesystems/ext/index.js'
import {
  type ExtSuperblock,
  extFeatureNames,
  extKind,
  extStates,
  type FileSystemState,
} from '../../formats/ext/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { type FileSystemOptions, openFileSystem } from '../../overlays/open-file-system.js'

/** What `fileSystemUsage` returns. */
export interface FileSystemUsage extends ExtUsage {
  readonly kind: 'ext2' | 'ext3' | 'ext4'
  /** As blkid prints it; null when it has none. */
  readonly uuid: string | null
  /** What the disk says about its last use, as it is before the replay of the journal. */
  readonly state: readonly FileSystemState[]
  /** Names of e2fsprogs. */
  readonly features: readonly string[]
  readonly superblock: ExtSuperblock
  /** What the reader found, such as wrong checksums. */
  readonly findings: readonly ExtFinding[]
}

/**
 * Count how full the file system inside an image is, as df does.
 *
 * @throws UmlcowError FS_UNKNOWN, FS_DAMAGED, and what opening the image throws
 */
export async function fileSystemUsage(
  image: HostPath | URL,
  options: FileSystemOptions = {},
): Promise<FileSystemUsage> {
  await using opened = await openFileSystem(image, options)
  const { superblock, superblockOnDisk, findings } = opened.files
  return {
    ...(await extUsage(opened.files)),
    kind: extKind(superblockOnDisk),
    uuid: uuidTextOrNull(superblockOnDisk.uuid),
    state: extStates(superblockOnDisk),
    features: extFeatureNames(superblock),
    superblock,
    findings,
  }
}
