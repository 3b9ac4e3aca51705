import type { Extent } from '../../bytes/extents.js'
import type { Image } from '../../images/image.js'
import type { Call } from '../step.js'
import { addPart, createPartBatch, origin, type PartBatch, type PartSource, type PartStore } from './parts.js'

/** Extents that one step asks for. */
const extentsTogether = 1024

/**
 * List the parts of any image from its extents.
 *
 * @param stores        the files of the image, one for each depth
 * @param copiedLayers  extents of this depth and below are left to the backing file
 */
export function imageParts(
  image: Image,
  stores: readonly PartStore[],
  copiedLayers = Number.POSITIVE_INFINITY,
): PartSource {
  const fromOf = ({ depth, data, zero, offset }: Extent): number => {
    if (depth >= copiedLayers) return origin.below
    if (!data || zero) return origin.zeros
    return offset === undefined || stores[depth] === undefined ? origin.image : depth
  }
  return {
    virtualSize: image.virtualSize,
    stores,
    image,
    *parts() {
      const extents = image.extents(0, image.virtualSize)[Symbol.asyncIterator]()
      const batch = createPartBatch(extentsTogether)
      const list = listing(batch, extents, fromOf)
      do {
        yield list
        yield batch
      } while (batch.count === extentsTogether)
    },
  }
}

/** Make the step that fills a batch with the next extents. */
function listing(batch: PartBatch, extents: AsyncIterator<Extent>, fromOf: (extent: Extent) => number): Call {
  return {
    kind: 'call',
    position: 0,
    async run() {
      batch.count = 0
      while (batch.count < extentsTogether) {
        const { done, value } = await extents.next()
        if (done) return
        const { start, length, offset = 0 } = value
        addPart(batch, start, start + length, fromOf(value), offset)
      }
    },
  }
}
