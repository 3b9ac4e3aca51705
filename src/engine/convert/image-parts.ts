import type { Image } from '../../images/image.js'
import { createPartBatch, type ListedLayers, listPartsBelow, origin, type PartBatch } from '../../images/part-batch.js'
import type { Call } from '../step.js'
import type { PartSource, PartStore } from './parts.js'

/** Parts that one step asks for. */
const partsTogether = 1024

/**
 * List the parts of any image.
 *
 * @param stores        the files of the image, one for each depth; without one, the image reads the parts of that layer
 * @param copiedLayers  parts of this depth and below are left to the backing file
 */
export function imageParts(
  image: Image,
  stores: readonly PartStore[],
  copiedLayers = Number.POSITIVE_INFINITY,
): PartSource {
  const { virtualSize } = image
  return {
    virtualSize,
    stores,
    image,
    *parts() {
      const batch = createPartBatch(partsTogether)
      const list = new Listing(image, { depth: -1, copied: copiedLayers }, batch)
      while (list.position < virtualSize) {
        batch.count = 0
        yield list
        for (let i = 0; i < batch.count; i++) {
          if (stores[batch.from[i]!] === undefined && batch.from[i]! >= 0) batch.from[i] = origin.image
        }
        yield batch
      }
    },
  }
}

/** The step that fills a batch with the next parts. */
class Listing implements Call {
  readonly kind = 'call'
  /** The parts are listed up to here. */
  position = 0
  readonly #image: Image
  readonly #layers: ListedLayers
  readonly #batch: PartBatch

  /** @param layers  those of what would lie above the image */
  constructor(image: Image, layers: ListedLayers, batch: PartBatch) {
    this.#image = image
    this.#layers = layers
    this.#batch = batch
  }

  run(): Promise<void> | undefined {
    const reached = listPartsBelow(this.#image, this.position, this.#image.virtualSize, this.#layers, this.#batch)
    if (typeof reached !== 'number') return reached.then((position) => this.#reach(position))
    this.#reach(reached)
    return undefined
  }

  #reach(position: number): void {
    this.position = position
  }
}
