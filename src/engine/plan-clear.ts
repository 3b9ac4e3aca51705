import { clearBits } from '../bytes/bitmap.js'
import { bitmapPieces } from './bitmap-pieces.js'
import { isSame } from './compare-runs.js'
import { type ComparedBytes, InPlaceWindow } from './in-place-window.js'
import { placeRuns } from './place-runs.js'
import type { MergeInputs } from './plan-merge.js'
import { createRunBatch, fillRunBatch } from './run-batch.js'
import type { Transfer, Transfers } from './step.js'
import { defaultWindowSize } from './window-size.js'

/** Bytes of bitmap in memory at a time. */
const pieceSize = 64 * 1024

/** Filled in by `planClear`: sectors. */
export interface ClearedSectors {
  cleared: number
  /** Not equal to the backing file's: they stay allocated. */
  kept: number
}

/** Plan to clear the bits of all allocated sectors that equal the backing file's. Data stays where it is. */
export function* planClear(inputs: MergeInputs, result: ClearedSectors): Transfers {
  const { overlay, header, layout } = inputs
  const { sectorSize, virtualSize } = header
  const window = new InPlaceWindow(Math.max(defaultWindowSize, sectorSize), overlay)
  const bits = Buffer.allocUnsafeSlow(pieceSize)
  const batch = createRunBatch()
  const step: Transfer = { kind: 'read', store: overlay, offset: 0, bytes: bits, position: 0 }
  const pieces = bitmapPieces(overlay, layout, pieceSize)
  const { length } = pieces
  for (let offset = yield* pieces.next(0); offset < length; offset = yield* pieces.next(offset + pieceSize)) {
    const piece = bits.subarray(0, Math.min(pieceSize, length - offset))
    const before = result.cleared
    const firstSector = offset * 8
    const start = firstSector * sectorSize
    const clear = function* (): Transfers {
      yield* window.readsBoth(inputs)
      window.forEachRun((run) => clearRun(run, { piece, start, sectorSize }, result))
      window.clear()
    }
    yield transfer(step, 'read', overlay, layout.bitmapOffset + offset, piece)
    const bitCount = Math.min(piece.length * 8, layout.bitCount - firstSector)
    // A batch holds its runs already when their bits are cleared, and those of later ones are not touched.
    for (let bit = 0; bit < bitCount; ) {
      bit = fillRunBatch(batch, { bits: piece, start, bitCount, sectorSize, virtualSize }, bit)
      yield* placeRuns(window, batch, virtualSize, clear)
    }
    yield* clear()
    if (result.cleared > before) yield transfer(step, 'write', overlay, layout.bitmapOffset + offset, piece)
  }
}

interface Piece {
  readonly piece: Uint8Array
  /** Guest offset of the piece's first bit. */
  readonly start: number
  readonly sectorSize: number
}

function clearRun(run: ComparedBytes, { piece, start, sectorSize }: Piece, result: ClearedSectors): true {
  const { overlay, backing, from, to } = run
  const firstBit = (run.start - start) / sectorSize
  if (isSame(overlay, backing, from, to)) {
    const count = Math.ceil((to - from) / sectorSize)
    clearBits(piece, firstBit, firstBit + count)
    result.cleared += count
    return true
  }
  for (let at = from, bit = firstBit; at < to; at += sectorSize, bit++) {
    const isEqual = isSame(overlay, backing, at, Math.min(to, at + sectorSize))
    if (isEqual) clearBits(piece, bit, bit + 1)
    result[isEqual ? 'cleared' : 'kept']++
  }
  return true
}

function transfer(
  step: Transfer,
  kind: Transfer['kind'],
  store: Transfer['store'],
  offset: number,
  bytes: Uint8Array,
): Transfer {
  step.kind = kind
  step.store = store
  step.offset = offset
  step.bytes = bytes
  return step
}
