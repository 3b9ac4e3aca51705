import { forEachSetRun } from '../bytes/bitmap.js'
import type { StoredOverlay } from './merge-layers.js'
import type { Transfer } from './step.js'
import { type BitmapPiece, walkBitmap } from './walk-bitmap.js'

/** The most runs of a batch: enough to make the call per batch cheap, few enough to stay in the cache. */
export const runBatchCapacity = 2048

/**
 * Allocated runs of a stretch of an overlay, in typed arrays: guest bytes, half-open, ascending, with gaps between.
 * The backing file supplies the gaps.
 */
export interface RunBatch {
  readonly starts: Float64Array
  readonly ends: Float64Array
  count: number
  /** The batch is complete up to this guest offset. The next batch starts here. */
  end: number
}

export function createRunBatch(): RunBatch {
  return { starts: new Float64Array(runBatchCapacity), ends: new Float64Array(runBatchCapacity), count: 0, end: 0 }
}

/**
 * Fill `batch` with the runs of `piece` from bit `fromBit` on.
 *
 * @returns the bit where the next batch starts; `piece.bitCount` at the end of the piece
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

/** Walk the bitmap of an overlay: yield the steps that read it, and its runs in batches. */
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
