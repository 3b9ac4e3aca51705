import type { Image } from './image.js'

/** Values of `from` in a batch of parts that are not the depth of a layer. */
export const origin = {
  /** No copied layer supplies these bytes: they are left to the backing file. */
  below: -1,
  /** Known zeros. */
  zeros: -2,
  /** Only the image can read them, such as those of a compressed cluster. */
  image: -3,
} as const

/** Parts of an image in typed arrays. The parts of all batches tile the image exactly, in order. */
export interface PartBatch {
  /** Guest bytes, half-open. */
  readonly starts: Float64Array
  readonly ends: Float64Array
  /** The layer with the bytes, or a value of `origin`. */
  readonly from: Int16Array
  /** Where the bytes start in the file of that layer. */
  readonly offsets: Float64Array
  count: number
}

export function createPartBatch(capacity: number): PartBatch {
  return {
    starts: new Float64Array(capacity),
    ends: new Float64Array(capacity),
    from: new Int16Array(capacity),
    offsets: new Float64Array(capacity),
    count: 0,
  }
}

export function isFull({ count, starts }: PartBatch): boolean {
  return count === starts.length
}

/** Add a part, or make the last one longer when the part continues it. */
export function addPart(batch: PartBatch, start: number, end: number, from: number, offset: number): void {
  const last = batch.count - 1
  if (last >= 0 && batch.from[last] === from && batch.ends[last] === start) {
    if (from < 0 || batch.offsets[last]! + start - batch.starts[last]! === offset) {
      batch.ends[last] = end
      return
    }
  }
  const i = batch.count++
  batch.starts[i] = start
  batch.ends[i] = end
  batch.from[i] = from
  batch.offsets[i] = offset
}

/** Which layers a list of parts names, and how deep the image that makes it lies among them. */
export interface ListedLayers {
  readonly depth: number
  /** Layers of this depth and below are left to the backing file. */
  readonly copied: number
}

/** An image that lists its parts without an object for each of them: the same that `extents` says. */
export interface PartLister extends Image {
  /**
   * Add the parts from `start` on to a batch, until it is full or has reached `end`.
   *
   * @returns the guest offset that it has reached, at once where possible. It may be `start` where the image first had
   *          to read a table; ask again
   */
  listParts(start: number, end: number, layers: ListedLayers, batch: PartBatch): number | Promise<number>
}

export function isPartLister(image: Image): image is PartLister {
  return 'listParts' in image
}

/** List the parts of a backing image, one layer down; zeros beyond its end. @returns as `listParts` */
export function listPartsBelow(
  backing: Image,
  start: number,
  end: number,
  { depth, copied }: ListedLayers,
  batch: PartBatch,
): number | Promise<number> {
  const layers = { depth: depth + 1, copied }
  const storedEnd = Math.min(end, backing.virtualSize)
  if (layers.depth < copied && start < storedEnd) {
    if (isPartLister(backing)) return backing.listParts(start, storedEnd, layers, batch)
    addPart(batch, start, storedEnd, origin.image, 0)
    return storedEnd
  }
  addPart(batch, start, end, layers.depth < copied ? origin.zeros : origin.below, 0)
  return end
}
