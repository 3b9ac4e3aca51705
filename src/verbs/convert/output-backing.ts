import { ceilTo } from '../../bytes/align.js'
import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { type ImageFormat, isPlain } from '../../images/image-formats.js'
import { listPartsBelow, type PartLister } from '../../images/part-batch.js'
import { refuseUnlessForced } from '../../machine/findings.js'
import { type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { closeOnFailure, type ProbedFile } from '../../overlays/open.js'
import { type FileImage, openBackingOf, openBackingOfQcow2, openLayers } from '../../overlays/open-image.js'
import { refuseUnfinished } from '../../overlays/unfinished/find-merge-around.js'
import type { ConvertOptions } from './options.js'

/** The backing file of a new image. */
export interface OutputBacking {
  readonly image: FileImage
  readonly format: ImageFormat
  /** Layers of the input above this file; null when it is no layer of the input. */
  readonly layersAbove: number | null
}

/**
 * Open the backing file of the output, and find it among the layers of the input.
 *
 * The format is never guessed from the content of a file that a guest may have written: it is the one in which the input
 * uses the file, or the caller names it.
 *
 * @throws UmlcowError USAGE without a format, IN_USE, UNFINISHED_MERGE, BACKING_FORMAT, BACKING_SIZE
 */
export async function openOutputBacking(
  files: HostFiles,
  input: Pick<FileImage, 'files' | 'virtualSize'>,
  path: HostPath,
  options: Pick<ConvertOptions, 'outputBackingFormat' | 'format' | 'chain' | 'force' | 'signal'>,
): Promise<OutputBacking> {
  const facts = await files.stat(path)
  const index = input.files.findIndex((file, depth) => depth > 0 && isSameFile(file.facts, facts))
  const format = formatFor(path, index < 0 ? null : input.files[index]!, options)
  const { force, signal, chain } = options
  const below = { force, signal, chain }
  const image = await openLayers(files, path, {
    openBelow: (overlay) => openBackingOf(files, overlay, below),
    openBelowQcow2: (overlay) => openBackingOfQcow2(files, overlay, below),
    format: () => format,
    signal,
  })
  return closeOnFailure(image, async () => {
    await refuseUnfinished(files, path)
    refuseUnlessForced(await findWriters(files, image.files), force)
    if (options.format === 'cow') refuseForCow(path, image, format, input, chain === true)
    return { image, format, layersAbove: index < 0 ? null : index }
  })
}

function formatFor(
  path: HostPath,
  layer: ProbedFile | null,
  { outputBackingFormat, format }: Pick<ConvertOptions, 'outputBackingFormat' | 'format'>,
): ImageFormat {
  if (layer !== null) {
    if (outputBackingFormat === undefined || outputBackingFormat === layer.format) return layer.format
    throw new UmlcowError(
      'BACKING_FORMAT',
      `${printablePath(path)}: the input uses it as ${layer.format}, not as ${outputBackingFormat}`,
    )
  }
  if (outputBackingFormat !== undefined) return outputBackingFormat
  // The kernel takes the backing file of a COW file as plain data.
  if (format === 'cow') return 'raw'
  throw new UmlcowError('USAGE', `${printablePath(path)}: is no backing file of the input: name its format with -F`, {
    hint: '-F raw, -F qcow2 or -F cow; a guest can write any content, so umlcow never guesses',
  })
}

/** A COW file has the size of its backing file. The kernel compares them, and takes the file as plain data. */
function refuseForCow(
  path: HostPath,
  image: FileImage,
  format: ImageFormat,
  input: Pick<FileImage, 'files' | 'virtualSize'>,
  chain: boolean,
): void {
  const name = printablePath(path)
  if (!isPlain(format) && !chain) {
    throw new UmlcowError(
      'BACKING_FORMAT',
      `${name}: is ${format}, and the kernel reads a backing file as plain data`,
      {
        hint: 'convert it to raw first; --chain makes an overlay on it that only umlcow reads',
      },
    )
  }
  const { virtualSize } = input
  if (image.virtualSize === virtualSize || isRoundedUp(input, image.virtualSize)) return
  throw new UmlcowError(
    'BACKING_SIZE',
    `${name}: expected the ${virtualSize} bytes of the input, got ${image.virtualSize}: a COW file and its backing file ` +
      'have one size',
    { hint: 'name a backing file of that size with -B, or convert to a raw image or to a qcow2 image' },
  )
}

/** A qcow2 image has whole sectors: 512 bytes. Test whether it is one of `size` bytes, rounded up. */
function isRoundedUp({ files, virtualSize }: Pick<FileImage, 'files' | 'virtualSize'>, size: number): boolean {
  return files[0]?.format === 'qcow2' && size < virtualSize && ceilTo(size, 512) === virtualSize
}

/**
 * Take the end off a qcow2 image that was rounded up to a whole sector, for a COW file of the size of its backing file.
 *
 * @throws UmlcowError BACKING_SIZE when the end holds something
 */
export async function withSizeOfBacking(input: FileImage, backing: FileImage): Promise<FileImage> {
  const size = backing.virtualSize
  if (!isRoundedUp(input, size)) return input
  const surplus = new Uint8Array(input.virtualSize - size)
  await input.read(size, surplus)
  if (surplus.some((byte) => byte !== 0)) {
    const name = printablePath(input.files[0]!.path)
    throw new UmlcowError(
      'BACKING_SIZE',
      `${name}: has data in the last ${surplus.length} bytes, beyond the end of ${printablePath(backing.files[0]!.path)}`,
      { hint: 'convert to a raw image, or to a qcow2 image, which may be longer than its backing file' },
    )
  }
  const shorter: FileImage & PartLister = {
    virtualSize: size,
    files: input.files,
    plain: null,
    listParts: (start, end, { depth, copied }, batch) =>
      listPartsBelow(input, start, end, { depth: depth - 1, copied }, batch),
    read: (offset, target) => input.read(offset, target),
    extents: (start, length) => input.extents(start, length),
    close: () => input.close(),
  }
  return shorter
}
