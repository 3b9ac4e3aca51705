import { printablePath } from '../../bytes/escape.js'
import type { Extent } from '../../bytes/extents.js'
import { UmlcowError } from '../../errors.js'
import type { ByteRange } from '../../images/compare-ranges.js'
import { type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { closeOnFailure } from '../../overlays/open.js'
import {
  type FileImage,
  type OpenBackingOptions,
  openBackingOf,
  openBackingOfQcow2,
  openFileImage,
  openLayers,
} from '../../overlays/open-image.js'
import { extentsOf } from '../map/index.js'

/** Two images to compare, and where they may differ. */
export interface ImagePair {
  readonly old: FileImage
  readonly now: FileImage
  /** List the bytes that may differ, in order. */
  ranges(): AsyncIterable<ByteRange>
  close(): Promise<void>
}

/**
 * Open an overlay and its backing image: they may differ where the overlay supplies the data.
 *
 * @throws UmlcowError NOT_COW for an image without a backing file, and what opening throws
 */
export async function openWithBacking(
  files: HostFiles,
  path: HostPath,
  options: OpenBackingOptions,
): Promise<ImagePair> {
  let old: FileImage | null = null
  const now = await openLayers(files, path, {
    openBelow: async (overlay) => {
      old = await openBackingOf(files, overlay, options)
      return old
    },
    openBelowQcow2: async (overlay) => {
      old = await openBackingOfQcow2(files, overlay, options)
      return old
    },
    signal: options.signal,
  })
  if (old === null) {
    await now.close()
    throw new UmlcowError('NOT_COW', `${printablePath(path)}: has no backing file to compare it with`, {
      hint: 'give two images: umlcow diff OLD NEW',
    })
  }
  // The overlay closes its backing image.
  return { old, now, ranges: () => layersAbove(now, 1), close: () => now.close() }
}

/** Open two images. Where the new one is an overlay over the old one, they may differ where its layers supply the data. */
export async function openTwoImages(
  files: HostFiles,
  paths: readonly [old: HostPath, now: HostPath],
  options: OpenBackingOptions,
): Promise<ImagePair> {
  const old = await openFileImage(files, paths[0], options)
  return closeOnFailure(old, async () => {
    const now = await openFileImage(files, paths[1], options)
    const close = async () => {
      try {
        await now.close()
      } finally {
        await old.close()
      }
    }
    const depth = now.files.findIndex(({ facts }) => isSameFile(facts, old.files[0]!.facts))
    const isBelow = depth > 0 && now.files.length - depth === old.files.length
    const ranges = isBelow ? () => layersAbove(now, depth) : () => dataOfEither(files, old, now, options.signal)
    return { old, now, ranges, close }
  })
}

/** List what the layers above a depth supply. */
async function* layersAbove(image: FileImage, depth: number): AsyncGenerator<ByteRange> {
  for await (const extent of image.extents(0, image.virtualSize)) {
    if (extent.depth < depth) yield rangeOf(extent)
  }
}

function rangeOf({ start, length }: Extent): ByteRange {
  return { start, end: start + length }
}

/** List the bytes where at least one image may hold data. Ranges may overlap. */
async function* dataOfEither(
  files: HostFiles,
  old: FileImage,
  now: FileImage,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteRange> {
  const [left, right] = [await dataOf(files, old, signal), await dataOf(files, now, signal)]
  let [a, b] = [await left.next(), await right.next()]
  while (!a.done || !b.done) {
    const isLeft = b.done || (!a.done && a.value.start <= b.value.start)
    if (isLeft && !a.done) {
      yield a.value
      a = await left.next()
    } else if (!b.done) {
      yield b.value
      b = await right.next()
    }
  }
}

async function dataOf(
  files: HostFiles,
  image: FileImage,
  signal: AbortSignal | undefined,
): Promise<AsyncGenerator<ByteRange>> {
  const extents = await extentsOf(files, image, 0, image.virtualSize, { holes: true, signal })
  async function* data(): AsyncGenerator<ByteRange> {
    for await (const extent of extents) if (extent.data && !extent.zero) yield rangeOf(extent)
  }
  return data()
}
