import { forEachSetRun } from '../bytes/bitmap.js'
import type { StoredOverlay } from './layers.js'
import type { Transfer } from './step.js'
import { type BitmapPiece, walkBitmap } from './walk-bitmap.js'

/** Runs of a batch: enough to make the call per batch cheap, little enough to stay in the cache. */
export const runBatchCapacity = 2048

/**
 * Allocated runs of a stretch of an overlay, as typed arrays: guest bytes, half-open, ascending, apart from each other.
 * What lies between them comes from the backing file.
 */
export interface RunBatch {
  readonly starts: Float64Array
  readonly ends: Float64Array
  count: number
  /** Guest offset up to which the batch tells everything: the next one starts here. */
  end: number
}

export function createRunBatch(): RunBatch {
  return { starts: new Float64Array(runBatchCapacity), ends: new Float64Array(runBatchCapacity), count: 0, end: 0 }
}

/**
 * Fill `batch` with the runs of `piece` from bit `fromBit` on.
 *
 * @returns the bit to go on with: `piece.bitCount` when the piece is through
 */
export function fillRunBatch(batch: RunBatch, piece: BitmapPiece, fromBit: number): number {
  const { sectorSize, virtualSize, start } = piece
  const guestOffset = (bit: number) => Math.min(virtualSize, start + bit * sectorSize)
  batch.count = 0
  const nextBit = forEachSetRun(piece.bits, fromBit, piece.bitCount, (runStart, runEnd) => {
    batch.starts[batch.count] = guestOffset(runStart)
    batch.ends[batch.count] = guestOffset(runEnd)
    batch.count++
    return batch.count < runBatchCapacity
  })
  batch.end = guestOffset(nextBit)
  return nextBit
}

/** Walk the bitmap of an overlay run by run: the steps that read it, and batches of the runs it holds. */
export function* walkRuns(overlay: StoredOverlay): Generator<Transfer | RunBatch, void, void> {
  const batch = createRunBatch()
  for (const item of walkBitmap(overlay)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (let bit = 0; bit < item.bitCount; ) {
      bit = fillRunBatch(batch, item, bit)
      yield batch
    }
  }
}
