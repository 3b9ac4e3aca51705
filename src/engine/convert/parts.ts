import type { Image } from '../../images/image.js'
import type { BlockStore } from '../../stores/block-store.js'
import type { DataMap } from '../data-map.js'
import type { Call, Transfer } from '../step.js'

/** Values of `from` in a batch of parts that are no index into the stores of their source. */
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
  /** The store with the bytes, or a value of `origin`. */
  readonly from: Int16Array
  /** Where the bytes start in that store. */
  readonly offsets: Float64Array
  count: number
}

/** A store with guest bytes, and where it has data if that is known. */
export interface PartStore {
  readonly store: BlockStore
  readonly data?: DataMap | undefined
}

/** An image to copy: what has its bytes, part by part. */
export interface PartSource {
  readonly virtualSize: number
  readonly stores: readonly PartStore[]
  /** Reads parts from `origin.image`; null when there are none. */
  readonly image: Image | null
  /** Yields batches, and the steps that find them. The next batch uses the same memory. */
  parts(): Generator<Transfer | Call | PartBatch, void, void>
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

export function addPart(batch: PartBatch, start: number, end: number, from: number, offset: number): void {
  const i = batch.count++
  batch.starts[i] = start
  batch.ends[i] = end
  batch.from[i] = from
  batch.offsets[i] = offset
}
