import { floorTo } from '../bytes/align.js'
import { alignedBuffer } from '../bytes/aligned-buffer.js'
import { forEachSetRun } from '../bytes/bitmap.js'
import { nextTurn } from '../bytes/next-turn.js'
import { leadingZeros, zeroBlockSize } from '../bytes/zeros.js'
import { throwIfAborted } from '../errors.js'
import type { CowLayout } from '../formats/cow/index.js'
import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'

/** Bytes of bitmap in memory at a time. 64 KiB are the bits of 256 MiB of 512-byte sectors. */
export const bitmapPieceSize = 64 * 1024

/** Bytes of bitmap, those of a disk of 256 GiB, from which on it pays to look for holes in it: 64 MiB are read in 25 ms. */
export const longBitmap = 64 * 1024 * 1024

/** Sectors `startSector` to `endSector`, half-open, are allocated and their neighbours are not. */
export interface SectorRun {
  readonly startSector: number
  readonly endSector: number
}

/** Reads the bitmap of an overlay in pieces; what lies beyond the end of the file reads as clear. */
export interface BitmapReader {
  /** Runs of allocated sectors among `fromSector` to `endSector`, clipped to them, in order. */
  runs(fromSector: number, endSector: number): AsyncGenerator<SectorRun>
}

/** Bytes of the bitmap that the file holds. */
export function storedBitmapLength(
  store: BlockStore,
  layout: Pick<CowLayout, 'bitmapOffset' | 'bitmapLength'>,
): number {
  return Math.max(0, Math.min(layout.bitmapLength, store.size - layout.bitmapOffset))
}

/** @param signal  ends a walk over a long bitmap with INTERRUPTED */
export function openBitmapReader(store: BlockStore, layout: CowLayout, signal?: AbortSignal): BitmapReader {
  const buffer = new Uint8Array(bitmapPieceSize)
  const pieceBits = bitmapPieceSize * 8
  // A header may claim a bitmap of terabytes; only what the file holds is looked at.
  const storedLength = storedBitmapLength(store, layout)
  const bitCount = Math.min(layout.bitCount, storedLength * 8)
  let loadedIndex = -1

  async function piece(index: number): Promise<Uint8Array> {
    throwIfAborted(signal)
    if (index !== loadedIndex) {
      const start = index * bitmapPieceSize
      const target = buffer.subarray(0, Math.min(bitmapPieceSize, storedLength - start))
      loadedIndex = -1
      await readPadded(store, layout.bitmapOffset + start, target)
      loadedIndex = index
    }
    return buffer.subarray(0, Math.min(bitmapPieceSize, storedLength - index * bitmapPieceSize))
  }

  const nextPiece = skipperOf(store, layout.bitmapOffset, storedLength, signal)

  return {
    async *runs(fromSector, endSector) {
      const end = Math.min(endSector, bitCount)
      let held: SectorRun | null = null
      let isClear = false
      for (let index = Math.floor(fromSector / pieceBits); index * pieceBits < end; index++) {
        if (isClear && nextPiece !== null) index = await nextPiece(index, Math.ceil(end / pieceBits))
        isClear = true
        const base = index * pieceBits
        const found: SectorRun[] = []
        let from = Math.max(0, fromSector - base)
        const pieceEnd = Math.min(pieceBits, end - base)
        while (from < pieceEnd) {
          // Again after each batch: another reader of this bitmap may have moved the buffer on.
          from = forEachSetRun(await piece(index), from, pieceEnd, (start, runEnd) => {
            found.push({ startSector: base + start, endSector: base + runEnd })
            return found.length < 1024
          })
          if (found.length > 0) isClear = false
          for (const run of found) {
            if (held !== null && held.endSector === run.startSector) {
              held = { startSector: held.startSector, endSector: run.endSector }
            } else {
              if (held !== null) yield held
              held = run
            }
          }
          found.length = 0
        }
      }
      if (held !== null) yield held
    },
  }
}

/** Bytes of bitmap that are looked at for a hole at a time. */
const holeProbeLength = 8 * bitmapPieceSize

/** Probes between two turns of the event loop, a few milliseconds. */
const probesPerTurn = 64

/** Finds the first piece from one on that may have a bit set, or `endIndex`. */
type Skipper = (index: number, endIndex: number) => Promise<number>

/** Null where the bitmap is short, or the store tells nothing of holes. */
function skipperOf(
  { pastCache }: BlockStore,
  bitmapOffset: number,
  storedLength: number,
  signal: AbortSignal | undefined,
): Skipper | null {
  if (pastCache === undefined || !isSyncStore(pastCache) || storedLength < longBitmap) return null
  const memory = alignedBuffer(holeProbeLength)
  const probedEnd = floorTo(bitmapOffset + storedLength, zeroBlockSize)
  return async (index, endIndex) => {
    const end = Math.min(probedEnd, bitmapOffset + endIndex * bitmapPieceSize)
    let at = floorTo(bitmapOffset + index * bitmapPieceSize, zeroBlockSize)
    for (let count = 1; at + holeProbeLength <= end; at += holeProbeLength, count++) {
      readPaddedNow(pastCache, at, memory)
      const zeros = leadingZeros(memory)
      if (zeros < memory.length) {
        at += zeros
        break
      }
      if (count % probesPerTurn === 0) await nextTurn()
      throwIfAborted(signal)
    }
    return Math.max(index, Math.floor((at - bitmapOffset) / bitmapPieceSize))
  }
}
