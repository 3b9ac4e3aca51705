import type { StoredOverlay } from '../engine/merge-layers.js'
import { type OverlayCounts, planCount, planCounts } from '../engine/plan-count.js'
import { executeLocally } from '../machine/execute-locally.js'

/**
 * Count the allocated sectors of an overlay. Sectors whose bits lie beyond the end of the file count as clear.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countAllocated(overlay: StoredOverlay, signal?: AbortSignal): Promise<number> {
  const result = { allocatedSectors: 0 }
  await executeLocally(planCount(overlay, result), { signal })
  return result.allocatedSectors
}

/**
 * Count the allocated sectors and the blocks that they touch, in one walk over the bitmap.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countOverlay(overlay: StoredOverlay, signal?: AbortSignal): Promise<OverlayCounts> {
  const result = { allocatedSectors: 0, touchedLength: 0 }
  await executeLocally(planCounts(overlay, result), { signal })
  return result
}
