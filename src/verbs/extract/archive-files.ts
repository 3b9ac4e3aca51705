import type { HostPath } from '../../machine/host-files.js'
import { checkedOptions, flag, oneOf, type Rules, required, writerRules } from '../../machine/option-rules.js'
import type { OutputTarget } from '../../machine/output-target.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { type ImageSourceOptions, imageSourceRules, openImageSource } from '../../trees/kinds/image/source.js'
import type { ExportOptions, ExportResult } from '../../trees/transfer/export-options.js'
import { exportTree } from '../../trees/transfer/export-tree.js'

/** All streams but a save file of fakeroot, which names files of the host by their inodes. */
export const imageArchives = ['tar', 'cpio', 'mtree', 'squashfs'] as const

export type ImageArchive = (typeof imageArchives)[number]

export interface ArchiveFilesOptions
  extends ImageSourceOptions,
    Pick<ExportOptions, 'onProgress' | 'overwrite' | 'noSockets' | 'noSync' | 'dryRun'> {
  readonly format: ImageArchive
}

const archiveRules: Rules = {
  ...writerRules,
  ...imageSourceRules,
  format: required(oneOf(imageArchives)),
  noSockets: flag,
}

/**
 * Write files of an image, and all that lies below them, as an archive or a manifest, into a new file or a stream. It
 * looks at all of them first. The names in the archive are the given paths without the slashes around them.
 *
 * @throws UmlcowError as `openImageSource` and `exportTree`
 */
export async function archiveFiles(
  image: HostPath | URL,
  target: OutputTarget | URL | OutputStream,
  given: ArchiveFilesOptions,
): Promise<ExportResult> {
  const options = checkedOptions(given, archiveRules)
  const { format, force, files, signal, onProgress, overwrite, noSockets, noSync, dryRun } = options
  const inUse = force?.filter((word) => word === 'in-use')
  const common = { files, signal, onProgress, overwrite, noSockets, noSync, dryRun }
  const source = await openImageSource(image, options)
  try {
    return await exportTree(source, target, { format, force: inUse, ...common })
  } finally {
    await source.close()
  }
}
