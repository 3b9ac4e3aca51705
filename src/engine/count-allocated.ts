import { countSetBits } from '../bytes/bitmap.js'
import type { CowLayout } from '../formats/cow/index.js'
import { storedBitmapLength } from '../images/bitmap-reader.js'
import type { BlockStore } from '../stores/block-store.js'
import { executeSteps } from './execute.js'
import type { Step, Steps } from './step.js'

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
  const step: Step = { kind: 'read', store: overlay, offset: 0, bytes: buffer, position: 0 }
  for (let offset = 0; offset < length; offset += pieceSize) {
    step.offset = layout.bitmapOffset + offset
    step.bytes = buffer.subarray(0, Math.min(pieceSize, length - offset))
    yield step
    result.count += countSetBits(step.bytes, Math.min(step.bytes.length * 8, layout.bitCount - offset * 8))
  }
}
