import { type ExtFileSystem, openExt } from '../filesystems/ext/index.js'
import { type HostPath, localHostFiles } from '../machine/host-files.js'
import { flag, forceOf, type Rules, whole } from '../machine/option-rules.js'
import { closeOnFailure } from './open.js'
import { type FileImage, type OpenImageOptions, openFileImage, openImageRules } from './open-image.js'

/** How to open the file system inside an image. */
export interface FileSystemOptions extends OpenImageOptions {
  /** The number of a partition, from 1. Default: the image itself, or the only partition that umlcow can read. */
  readonly partition?: number | undefined
  /** Look at the bare disk: do not replay the journal. */
  readonly noReplay?: boolean | undefined
}

export const fileSystemRules: Rules = {
  ...openImageRules,
  partition: whole(1, 2 ** 16),
  noReplay: flag,
  force: forceOf('mtime', 'size', 'damage'),
}

/** A file system inside an image of the host. Closing it closes the image. */
export interface OpenedFileSystem extends AsyncDisposable {
  readonly files: ExtFileSystem
  /** The image that holds it, with the host's files. */
  readonly image: FileImage
  close(): Promise<void>
}

/**
 * Open the file system inside an image: raw, overlay or qcow2, with all its backing files. Nothing is written.
 *
 * @throws UmlcowError FS_UNKNOWN, FS_UNSUPPORTED, FS_DAMAGED, and what opening the image throws
 */
export async function openFileSystem(path: HostPath, options: FileSystemOptions): Promise<OpenedFileSystem> {
  const { force, noReplay } = options
  const image = await openFileImage(options.files ?? localHostFiles, path, options)
  return closeOnFailure(image, async () => {
    const damage = force?.includes('damage') ? 'report' : 'refuse'
    const files = await openExt(image, { replay: !noReplay, damage })
    return { files, image, close: () => image.close(), [Symbol.asyncDispose]: () => image.close() }
  })
}
