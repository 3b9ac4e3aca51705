import { addPart, createPartBatch, origin } from '../../images/part-batch.js'
import type { StoredOverlay } from '../merge-layers.js'
import { runBatchCapacity, walkRuns } from '../run-batch.js'
import type { PartSource, PartStore } from './parts.js'

/**
 * List the parts of an overlay from its bitmap, without a promise for each of them.
 *
 * @param backing  a store with the bytes below; null leaves them to the backing file
 */
export function overlayParts(overlay: StoredOverlay, backing: PartStore | null): PartSource {
  const { store, header, layout } = overlay
  const { virtualSize } = header
  const gap = backing === null ? origin.below : 1
  return {
    virtualSize,
    stores: backing === null ? [{ store }] : [{ store }, backing],
    image: null,
    *parts() {
      const batch = createPartBatch(2 * runBatchCapacity + 1)
      let at = 0
      for (const item of walkRuns(overlay)) {
        if ('kind' in item) {
          yield item
          continue
        }
        batch.count = 0
        for (let i = 0; i < item.count; i++) {
          const start = item.starts[i]!
          if (start > at) addPart(batch, at, start, gap, at)
          at = item.ends[i]!
          addPart(batch, start, at, 0, layout.dataOffset + start)
        }
        if (item.end > at) addPart(batch, at, item.end, gap, at)
        at = item.end
        yield batch
      }
      batch.count = 0
      if (at < virtualSize) addPart(batch, at, virtualSize, gap, at)
      yield batch
    },
  }
}
