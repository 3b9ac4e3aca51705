import { clearBits } from '../bytes/bitmap.js'
import { type ComparedBytes, InPlaceWindow } from './in-place-window.js'
import type { Layers } from './merge-layers.js'
import { isSame } from './plan-compare.js'
import { createRunBatch, fillRunBatch } from './run-batch.js'
import { placeRuns } from './runs-into-windows.js'
import { createTransfer, setTransfer, type Transfers } from './step.js'
import { type BitmapPiece, walkBitmap } from './walk-bitmap.js'
import { defaultWindowSize } from './window-size.js'

/** The result of `planClear`, in sectors. */
export interface ClearedSectors {
  cleared: number
  /** Sectors that differ from the backing file's. They stay allocated. */
  kept: number
}

/** Plan to clear the bits of all allocated sectors that equal the backing file's. The plan does not touch the data. */
export function* planClear(layers: Layers, result: ClearedSectors): Transfers {
  const { store, header, layout } = layers.overlay
  const window = new InPlaceWindow(Math.max(defaultWindowSize, header.sectorSize), store)
  const batch = createRunBatch()
  const step = createTransfer(store)
  for (const piece of walkBitmap(layers.overlay)) {
    if ('kind' in piece) {
      yield piece
      continue
    }
    const before = result.cleared
    const clear = function* (): Transfers {
      yield* window.readsBoth(layers)
      window.forEachRun((run) => clearRun(run, piece, result))
      window.clear()
    }
    // Clearing bits is safe here: the batch has taken its runs already, and later batches look at other bits.
    for (let bit = 0; bit < piece.bitCount; ) {
      bit = fillRunBatch(batch, piece, bit)
      yield* placeRuns(window, batch, header.virtualSize, clear)
    }
    yield* clear()
    if (result.cleared > before) yield setTransfer(step, 'write', store, layout.bitmapOffset + piece.offset, piece.bits)
  }
}

function clearRun(run: ComparedBytes, { bits, start, sectorSize }: BitmapPiece, result: ClearedSectors): true {
  const { overlay, backing, from, to } = run
  const firstBit = (run.start - start) / sectorSize
  if (isSame(overlay, backing, from, to)) {
    const count = Math.ceil((to - from) / sectorSize)
    clearBits(bits, firstBit, firstBit + count)
    result.cleared += count
    return true
  }
  for (let at = from, bit = firstBit; at < to; at += sectorSize, bit++) {
    const isEqual = isSame(overlay, backing, at, Math.min(to, at + sectorSize))
    if (isEqual) clearBits(bits, bit, bit + 1)
    result[isEqual ? 'cleared' : 'kept']++
  }
  return true
}
