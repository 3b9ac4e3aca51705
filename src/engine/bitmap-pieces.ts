import { floorTo } from '../bytes/align.js'
import { alignedBuffer } from '../bytes/aligned-buffer.js'
import type { CowLayout } from '../formats/cow/index.js'
import { longBitmap, storedBitmapLength } from '../images/bitmap-reader.js'
import type { BlockStore } from '../stores/block-store.js'
import { type DataMap, everythingIsData, probedStretches, probeLength } from './data-map.js'
import type { Transfer } from './step.js'

/** Leads from piece to piece of a bitmap, and over long holes in it, where no sector is allocated. */
export interface BitmapPieces {
  /** Bytes of the bitmap that the file holds. */
  readonly length: number
  /**
   * Find, by steps where that takes any, the first piece at or after one that may have a bit set.
   *
   * @param offset  in the bitmap, of a piece
   * @returns       the offset of that piece; `length` or more when there is none
   */
  next(offset: number): Generator<Transfer, number, void>
}

/** @param pieceSize  bytes of bitmap that are looked at together */
export function bitmapPieces(
  overlay: BlockStore,
  layout: Pick<CowLayout, 'bitmapOffset' | 'bitmapLength'>,
  pieceSize: number,
): BitmapPieces {
  const length = storedBitmapLength(overlay, layout)
  const start = layout.bitmapOffset
  const data = dataOf(overlay, start, length)
  return {
    length,
    *next(offset) {
      if (data.end <= start + offset) yield* data.find(start + offset)
      if (data.start <= start + offset) return offset
      return data.start < start + length ? floorTo(data.start - start, pieceSize) : length
    },
  }
}

function dataOf({ pastCache }: BlockStore, start: number, length: number): DataMap {
  if (pastCache === undefined || length < longBitmap) return everythingIsData()
  return probedStretches(pastCache, alignedBuffer(probeLength), start + length)
}
