import { ceilDivide, ceilTo, floorTo } from '../bytes/align.js'
import { countSetBits } from '../bytes/bitmap.js'
import { zeroBlockSize } from '../bytes/zeros.js'
import type { CowLayout } from '../formats/cow/index.js'
import { storedBitmapLength } from '../images/bitmap-reader.js'
import type { BlockStore } from '../stores/block-store.js'
import { executeSteps } from './execute.js'
import { type MergeInputs, planRuns } from './plan-merge.js'
import type { Steps, Transfer } from './step.js'

/** Bytes of bitmap in memory at a time. */
const pieceSize = 256 * 1024

/**
 * Count the allocated sectors of an overlay. What of its bitmap lies beyond the end of the file counts as clear.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countAllocated(overlay: BlockStore, layout: CowLayout, signal?: AbortSignal): Promise<number> {
  const result = { count: 0 }
  await executeSteps(planCount(overlay, layout, result), { signal })
  return result.count
}

function* planCount(overlay: BlockStore, layout: CowLayout, result: { count: number }): Steps {
  const buffer = Buffer.allocUnsafeSlow(pieceSize)
  const length = storedBitmapLength(overlay, layout)
  const step: Transfer = { kind: 'read', store: overlay, offset: 0, bytes: buffer, position: 0 }
  for (let offset = 0; offset < length; offset += pieceSize) {
    step.offset = layout.bitmapOffset + offset
    step.bytes = buffer.subarray(0, Math.min(pieceSize, length - offset))
    yield step
    result.count += countSetBits(step.bytes, Math.min(step.bytes.length * 8, layout.bitCount - offset * 8))
  }
}

/** How much an overlay supplies. */
export interface OverlayCounts {
  readonly allocatedSectors: number
  /** Bytes of the blocks of 4 KiB that the allocated sectors touch: what a host may have to store for them. */
  readonly touchedLength: number
}

/**
 * Both counts by one walk over the bitmap.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countOverlay(overlay: CountedOverlay, signal?: AbortSignal): Promise<OverlayCounts> {
  const result = { allocatedSectors: 0, touchedLength: 0 }
  await executeSteps(planCounts(overlay, result), { signal })
  return result
}

type CountedOverlay = Pick<MergeInputs, 'overlay' | 'header' | 'layout'>

function* planCounts(overlay: CountedOverlay, result: { allocatedSectors: number; touchedLength: number }): Steps {
  const { sectorSize } = overlay.header
  let counted = 0
  for (const item of planRuns(overlay)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (let i = 0; i < item.count; i++) {
      const start = Math.max(counted, floorTo(item.starts[i]!, zeroBlockSize))
      counted = ceilTo(item.ends[i]!, zeroBlockSize)
      result.touchedLength += counted - start
      result.allocatedSectors += ceilDivide(item.ends[i]! - item.starts[i]!, sectorSize)
    }
  }
}
