import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { type ExtFileSystem, openExt } from '../filesystems/ext/index.js'
import { findFileSystem } from '../filesystems/find-file-system.js'
import type { Partition } from '../images/partitions/index.js'
import { type HostPath, localHostFiles } from '../machine/host-files.js'
import { checkedOptions, flag, forceOf, hostPath, type Rules } from '../machine/option-rules.js'
import { closeOnFailure } from './open.js'
import { type FileImage, type OpenImageOptions, openFileImage, openImageRules } from './open-image.js'
import { partition, splitPartitionPath } from './partition-path.js'

/** How to open the file system inside an image. */
export interface FileSystemOptions extends OpenImageOptions {
  /**
   * The number of a partition, from 1; 0 for the whole image. The path may also name it: `IMAGE@N`. Default: the image
   * itself, or the only partition that umlcow can read.
   */
  readonly partition?: number | undefined
  /** Look at the bare disk: do not replay the journal. */
  readonly noReplay?: boolean | undefined
}

export const fileSystemRules: Rules = {
  ...openImageRules,
  partition,
  noReplay: flag,
  force: forceOf('mtime', 'size', 'damage'),
}

/** A file system inside an image of the host. Closing it closes the image. */
export interface OpenedFileSystem extends AsyncDisposable {
  readonly files: ExtFileSystem
  /** The image that holds it, with the host's files. */
  readonly image: FileImage
  /** The partition that holds it; null when it fills the image. */
  readonly partition: Partition | null
  close(): Promise<void>
}

/**
 * Open the ext2, ext3 or ext4 file system inside an image: raw, overlay or qcow2, with all its backing files. Nothing is
 * written.
 *
 * @param name  the path of an image, or `IMAGE@N` for one of its partitions
 * @throws UmlcowError FS_UNKNOWN, FS_UNSUPPORTED, FS_DAMAGED; PARTITION_MISSING when there is no such partition or the
 *         caller must choose one; and what opening the image throws
 */
export async function openFileSystem(name: HostPath | URL, options: FileSystemOptions = {}): Promise<OpenedFileSystem> {
  const checked = checkedOptions(options, fileSystemRules)
  const { files: host = localHostFiles } = checked
  const { path, partition: named } = await splitPartitionPath(host, hostPath('path', name))
  const image = await openFileImage(host, path, checked)
  return closeOnFailure(image, async () => {
    const found = await fileSystemIn(image, checked.partition ?? named, checked)
    const close = () => image.close()
    return { ...found, image, close, [Symbol.asyncDispose]: close }
  })
}

/**
 * Open the file system inside an open image.
 *
 * @param number  of its partition; null for the only file system that umlcow reads
 */
export async function fileSystemIn(
  image: FileImage,
  number: number | null,
  { force, noReplay }: FileSystemOptions,
): Promise<Pick<OpenedFileSystem, 'files' | 'partition'>> {
  return namingImage(image.files[0]!.path, async () => {
    const found = await findFileSystem(image, number)
    const damage = force?.includes('damage') ? 'report' : 'refuse'
    const files = await openExt(found.image, { replay: !noReplay, damage })
    return { files, partition: found.partition }
  })
}

const aboutFileSystems: readonly string[] = [
  'FS_UNKNOWN',
  'FS_UNSUPPORTED',
  'FS_DAMAGED',
  'FS_NOT_FOUND',
  'NOT_A_FILE',
  'PARTITION_MISSING',
]

/** The core knows no paths: name the image in its messages. */
export async function namingImage<T>(path: HostPath, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof UmlcowError) || !aboutFileSystems.includes(error.code)) throw error
    const { code, message, details, hint } = error
    throw new UmlcowError(code, `${printablePath(path)}: ${message}`, { details, hint, cause: error })
  }
}
