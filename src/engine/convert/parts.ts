import type { Image } from '../../images/image.js'
import type { PartBatch } from '../../images/part-batch.js'
import type { BlockStore } from '../../stores/block-store.js'
import type { DataMap } from '../data-map.js'
import type { Call, Transfer } from '../step.js'

/** A store with guest bytes, and where it has data if that is known. */
export interface PartStore {
  readonly store: BlockStore
  readonly data?: DataMap | undefined
}

/** An image to copy: what has its bytes, part by part. */
export interface PartSource {
  readonly virtualSize: number
  /** One for each layer. */
  readonly stores: readonly PartStore[]
  /** Reads parts from `origin.image`; null when there are none. */
  readonly image: Image | null
  /** Yields batches, and the steps that find them. The next batch uses the same memory. */
  parts(): Generator<Transfer | Call | PartBatch, void, void>
}
