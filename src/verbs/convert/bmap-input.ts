import { UmlcowError } from '../../errors.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { OutputTarget } from '../../machine/output-target.js'
import { checkedByBmap, verifyByBmap } from '../../overlays/bmap/mapped-data.js'
import { mappedImage } from '../../overlays/bmap/mapped-image.js'
import { type NamedBmap, readBmap } from '../../overlays/bmap/read-bmap.js'
import type { FileImage } from '../../overlays/open-image.js'
import type { ConvertOptions } from './options.js'
import type { RawStream } from './raw-stream.js'

/** @throws UmlcowError BAD_BMAP, SAME_FILE, and what opening throws */
export async function bmapOf(
  files: HostFiles,
  target: OutputTarget,
  { bmap }: ConvertOptions,
): Promise<NamedBmap | null> {
  return bmap === undefined ? null : readBmap(files, bmap, typeof target === 'string' ? target : null)
}

/** See a stream through a block map, which it is compared with on the way. */
export function withBmap(stream: RawStream, bmap: NamedBmap | null): RawStream {
  return bmap === null ? stream : { ...stream, bytes: checkedByBmap(stream.bytes, bmap, stream.path) }
}

/**
 * Compare a raw image with a block map, and see it through the map.
 *
 * @throws UmlcowError USAGE for an image of another format, BMAP_MISMATCH
 */
export async function throughBmap(image: FileImage, bmap: NamedBmap, { signal }: ConvertOptions): Promise<FileImage> {
  const { plain } = image
  if (plain === null) throw new UmlcowError('USAGE', 'a bmap file is about a raw image, and the input is none')
  const mapped = mappedImage(image, await verifyByBmap(plain.store, bmap, signal))
  return { ...mapped, files: image.files, plain: null }
}
