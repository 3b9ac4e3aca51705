import { floorTo } from '../bytes/align.js'
import { alignedBuffer } from '../bytes/aligned-buffer.js'
import { allocateUnsafe } from '../bytes/fast.js'
import { longBitmap, storedBitmapLength } from '../images/cow-bitmap-reader.js'
import type { BlockStore } from '../stores/block-store.js'
import { type DataMap, everythingIsData, probedStretches, probeLength } from './data-map.js'
import type { StoredOverlay } from './merge-layers.js'
import { createTransfer, setTransfer, type Transfer } from './step.js'

/** Bytes of bitmap in memory at a time: the bits of 256 MiB of 512-byte sectors. */
const defaultPieceSize = 64 * 1024

/** A piece of an overlay's bitmap, and the sectors that its bits stand for. */
export interface BitmapPiece {
  /** The next piece uses the same memory. Until then a plan may change the bits. */
  readonly bits: Uint8Array
  /** Bits of the piece that stand for a sector. In versions 1 and 2 the last sectors may have no bit. */
  readonly bitCount: number
  /** Bytes from the start of the bitmap. */
  readonly offset: number
  /** Guest offset of the first sector of the piece. */
  readonly start: number
  readonly sectorSize: number
  readonly virtualSize: number
}

/**
 * Walk the bitmap of an overlay from its start to its end: yield the step that reads a piece, then the piece.
 *
 * The walk skips long holes of the bitmap where the store can find them: no sector is allocated there.
 */
export function* walkBitmap(
  { store, layout, header }: StoredOverlay,
  pieceSize = defaultPieceSize,
): Generator<Transfer | BitmapPiece, void, void> {
  const { sectorSize, virtualSize } = header
  const { bitmapOffset } = layout
  const memory = allocateUnsafe(pieceSize)
  const step = createTransfer(store)
  // A header may claim a bitmap of terabytes, so the walk covers only the part that the file holds.
  const length = storedBitmapLength(store, layout)
  const data = dataOf(store, bitmapOffset, length)
  for (let offset = 0; offset < length; offset += pieceSize) {
    if (data.end <= bitmapOffset + offset) yield* data.find(bitmapOffset + offset)
    if (data.start >= bitmapOffset + length) return
    if (data.start > bitmapOffset + offset) offset = floorTo(data.start - bitmapOffset, pieceSize)
    const bits = memory.subarray(0, Math.min(pieceSize, length - offset))
    const start = offset * 8 * sectorSize
    step.position = Math.min(virtualSize, start)
    yield setTransfer(step, 'read', store, bitmapOffset + offset, bits)
    const bitCount = Math.min(bits.length * 8, layout.bitCount - offset * 8)
    yield { bits, bitCount, offset, start, sectorSize, virtualSize }
  }
}

function dataOf({ pastCache }: BlockStore, start: number, length: number): DataMap {
  if (pastCache === undefined || length < longBitmap) return everythingIsData()
  return probedStretches(pastCache, alignedBuffer(probeLength), start + length)
}
