import { countSetBits, type GroupLength } from '../bytes/bitmap.js'
import { zeroBlockSize } from '../bytes/zeros.js'
import type { StoredOverlay } from './merge-layers.js'
import type { Steps } from './step.js'
import { walkBitmap } from './walk-bitmap.js'

/** Bytes of bitmap in memory at a time. */
const pieceSize = 256 * 1024

/** Counts of what an overlay supplies. */
export interface OverlayCounts {
  allocatedSectors: number
  /** Bytes of the blocks of 4 KiB that the allocated sectors touch. A host may need this much to store them. */
  touchedLength: number
}

/** Plan to count the allocated sectors of an overlay. Bits beyond the end of the file count as clear. */
export function* planCount(overlay: StoredOverlay, result: Pick<OverlayCounts, 'allocatedSectors'>): Steps {
  for (const item of walkBitmap(overlay, pieceSize)) {
    if ('kind' in item) yield item
    else result.allocatedSectors += countSetBits(item.bits, item.bitCount)
  }
}

/** Plan to count allocated sectors and touched bytes in one walk. */
export function* planCounts(overlay: StoredOverlay, result: OverlayCounts): Steps {
  const { sectorSize } = overlay.header
  // The sizes of blocks and sectors are powers of two, so the larger one is a multiple of the smaller.
  const sectorsInBlock = Math.max(1, zeroBlockSize / sectorSize) as GroupLength
  const blockSize = Math.max(zeroBlockSize, sectorSize)
  for (const item of walkBitmap(overlay, pieceSize)) {
    if ('kind' in item) {
      yield item
      continue
    }
    result.allocatedSectors += countSetBits(item.bits, item.bitCount)
    result.touchedLength += countSetBits(item.bits, item.bitCount, sectorsInBlock) * blockSize
  }
}
