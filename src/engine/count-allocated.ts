import { countSetBits, type GroupLength } from '../bytes/bitmap.js'
import { zeroBlockSize } from '../bytes/zeros.js'
import type { CowHeader, CowLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { bitmapPieces } from './bitmap-pieces.js'
import { executeSteps } from './execute.js'
import type { Steps, Transfer } from './step.js'

/** Bytes of bitmap in memory at a time. */
const pieceSize = 256 * 1024

/**
 * Count the allocated sectors of an overlay. What of its bitmap lies beyond the end of the file counts as clear.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countAllocated(overlay: BlockStore, layout: CowLayout, signal?: AbortSignal): Promise<number> {
  let count = 0
  const add = (bits: Uint8Array, bitCount: number) => {
    count += countSetBits(bits, bitCount)
  }
  await executeSteps(planCount(overlay, layout, add), { signal })
  return count
}

/** How much an overlay supplies. */
export interface OverlayCounts {
  readonly allocatedSectors: number
  /** Bytes of the blocks of 4 KiB that the allocated sectors touch: what a host may have to store for them. */
  readonly touchedLength: number
}

interface CountedOverlay {
  readonly overlay: BlockStore
  readonly header: Pick<CowHeader, 'sectorSize'>
  readonly layout: CowLayout
}

/**
 * Both counts by one walk over the bitmap.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function countOverlay(counted: CountedOverlay, signal?: AbortSignal): Promise<OverlayCounts> {
  const { overlay, layout, header } = counted
  // Blocks and sectors both have sizes that are powers of two, and one holds the other.
  const sectorsInBlock = Math.max(1, zeroBlockSize / header.sectorSize) as GroupLength
  const blockSize = Math.max(zeroBlockSize, header.sectorSize)
  const result = { allocatedSectors: 0, touchedLength: 0 }
  const add = (bits: Uint8Array, bitCount: number) => {
    result.allocatedSectors += countSetBits(bits, bitCount)
    result.touchedLength += countSetBits(bits, bitCount, sectorsInBlock) * blockSize
  }
  await executeSteps(planCount(overlay, layout, add), { signal })
  return result
}

function* planCount(overlay: BlockStore, layout: CowLayout, add: (bits: Uint8Array, bitCount: number) => void): Steps {
  const buffer = Buffer.allocUnsafeSlow(pieceSize)
  const pieces = bitmapPieces(overlay, layout, pieceSize)
  const { length } = pieces
  const step: Transfer = { kind: 'read', store: overlay, offset: 0, bytes: buffer, position: 0 }
  for (let offset = yield* pieces.next(0); offset < length; offset = yield* pieces.next(offset + pieceSize)) {
    step.offset = layout.bitmapOffset + offset
    step.bytes = buffer.subarray(0, Math.min(pieceSize, length - offset))
    yield step
    add(step.bytes, Math.min(step.bytes.length * 8, layout.bitCount - offset * 8))
  }
}
