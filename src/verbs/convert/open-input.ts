import { refuseUnlessForced } from '../../machine/findings.js'
import type { HostFiles } from '../../machine/host-files.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { closeOnFailure } from '../../overlays/open.js'
import { type FileImage, openBackingOf, openBackingOfQcow2, openLayers } from '../../overlays/open-image.js'
import { overlayOf } from '../../overlays/open-overlay.js'
import { refuseUnfinished } from '../../overlays/unfinished/find-merge-around.js'
import { refuseTruncated } from '../merge/check-inputs.js'
import type { ConvertOptions } from './options.js'

/**
 * Open the image to convert with all its layers. Refuse layers that a process writes, that do not fit each other, or
 * that are a part of an unfinished merge.
 *
 * @throws UmlcowError IN_USE, BACKING_…, TRUNCATED_OVERLAY, UNFINISHED_MERGE, and what opening throws
 */
export async function openInputImage(
  files: HostFiles,
  path: string,
  options: Pick<
    ConvertOptions,
    'inputFormat' | 'backing' | 'backingRoot' | 'chain' | 'force' | 'allowShort' | 'signal'
  >,
): Promise<FileImage> {
  const { inputFormat, signal, force } = options
  const image = await openLayers(files, path, {
    openBelow: (overlay) => openBackingOf(files, overlay, options),
    openBelowQcow2: (overlay) => openBackingOfQcow2(files, overlay, options),
    format: inputFormat === undefined ? undefined : () => inputFormat,
    signal,
  })
  return closeOnFailure(image, async () => {
    await refuseUnfinished(files, path)
    refuseUnlessForced(await findWriters(files, image.files), force)
    const overlay = image.files[0]!.format === 'cow' ? overlayOf(image.files[0]!) : null
    if (overlay !== null && !options.allowShort) await refuseTruncated(overlay, signal)
    return image
  })
}
