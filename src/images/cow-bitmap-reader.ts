import { floorTo } from '../bytes/align.js'
import { alignedBuffer } from '../bytes/aligned-buffer.js'
import { forEachSetRun } from '../bytes/bitmap.js'
import { nextTurn } from '../bytes/next-turn.js'
import { leadingZeros, zeroBlockSize } from '../bytes/zeros.js'
import { throwIfAborted } from '../errors.js'
import type { CowLayout } from '../formats/cow/index.js'
import { type BlockStore, readPadded } from '../stores/block-store.js'
import { pieceCache, pieceSize } from './piece-cache.js'

/** In a bitmap this long, that of a disk of 256 GiB, a search for holes pays off: 64 MiB take 25 ms to read. */
export const longBitmap = 64 * 1024 * 1024

/** A run of allocated sectors, half-open. */
export interface SectorRun {
  readonly startSector: number
  readonly endSector: number
}

/** Runs in order. The sectors between them, and those from the last run to `endSector`, are not allocated. */
export interface RunsUpTo {
  readonly runs: readonly SectorRun[]
  readonly endSector: number
}

/** Reads the bitmap of an overlay in pieces. Bits beyond the end of the file count as clear. */
export interface BitmapReader {
  /** Find all runs of allocated sectors from `fromSector` to `endSector`: clipped, in order, with gaps between them. */
  runs(fromSector: number, endSector: number): AsyncGenerator<SectorRun>
  /**
   * Find the first of these runs, at once where possible.
   *
   * The result covers at least one sector, and may end before `endSector`. Its last run may continue after its end.
   */
  firstRuns(fromSector: number, endSector: number): RunsUpTo | Promise<RunsUpTo>
}

/** Compute how many bytes of the bitmap the file holds. */
export function storedBitmapLength(
  store: BlockStore,
  layout: Pick<CowLayout, 'bitmapOffset' | 'bitmapLength'>,
): number {
  return Math.max(0, Math.min(layout.bitmapLength, store.size - layout.bitmapOffset))
}

const pieceBits = pieceSize * 8

/** The most runs that one search returns. */
const runsTogether = 1024

/** Open a reader of the bitmap of an overlay. @param signal  ends a walk over a long bitmap with INTERRUPTED */
export function openBitmapReader(store: BlockStore, layout: CowLayout, signal?: AbortSignal): BitmapReader {
  // A header may claim a bitmap of terabytes, so read only the part that the file holds.
  const storedLength = storedBitmapLength(store, layout)
  const bitCount = Math.min(layout.bitCount, storedLength * 8)
  const pieceAt = pieceCache(store, layout.bitmapOffset, storedLength)

  function runsOf(piece: Uint8Array, base: number, fromSector: number, endSector: number): RunsUpTo {
    const runs: SectorRun[] = []
    const pieceEnd = Math.min(pieceBits, bitCount - base, endSector - base)
    const seen = forEachSetRun(piece, fromSector - base, pieceEnd, (start, end) => {
      runs.push({ startSector: base + start, endSector: base + end })
      return runs.length < runsTogether
    })
    return { runs, endSector: base + seen === bitCount ? endSector : base + seen }
  }

  function firstRuns(fromSector: number, endSector: number): RunsUpTo | Promise<RunsUpTo> {
    throwIfAborted(signal)
    if (fromSector >= bitCount) return { runs: [], endSector }
    const index = Math.floor(fromSector / pieceBits)
    const piece = pieceAt(index)
    const base = index * pieceBits
    if (piece instanceof Uint8Array) return runsOf(piece, base, fromSector, endSector)
    return piece.then((bits) => runsOf(bits, base, fromSector, endSector))
  }

  return {
    firstRuns,
    async *runs(fromSector, endSector) {
      const nextPiece = skipperOf(store, layout.bitmapOffset, storedLength, signal)
      const end = Math.min(endSector, bitCount)
      let held: SectorRun | null = null
      for (let at = fromSector; at < end; ) {
        const found: RunsUpTo = await firstRuns(at, end)
        for (const run of found.runs) {
          if (held !== null && held.endSector === run.startSector) {
            held = { startSector: held.startSector, endSector: run.endSector }
          } else {
            if (held !== null) yield held
            held = run
          }
        }
        at = found.endSector
        if (found.runs.length > 0 || at >= end || nextPiece === null) continue
        at = pieceBits * (await nextPiece(at / pieceBits, Math.ceil(end / pieceBits)))
      }
      if (held !== null) yield held
    },
  }
}

/** Bytes of one probe for a hole in the bitmap. */
const holeProbeLength = 512 * 1024

/** Probes between two turns of the event loop. They take a few milliseconds. */
const probesPerTurn = 64

/** Finds the first piece at or after `index` that may have a set bit, or `endIndex`. */
type Skipper = (index: number, endIndex: number) => Promise<number>

/** Make a skipper for one walk. Null when the bitmap is short, or the store cannot find holes. */
function skipperOf(
  { pastCache }: BlockStore,
  bitmapOffset: number,
  storedLength: number,
  signal: AbortSignal | undefined,
): Skipper | null {
  if (pastCache === undefined || storedLength < longBitmap) return null
  const probedEnd = floorTo(bitmapOffset + storedLength, zeroBlockSize)
  let memory: Uint8Array | null = null
  return async (index, endIndex) => {
    memory ??= alignedBuffer(holeProbeLength)
    const end = Math.min(probedEnd, bitmapOffset + endIndex * pieceSize)
    let at = floorTo(bitmapOffset + index * pieceSize, zeroBlockSize)
    for (let count = 1; at + holeProbeLength <= end; at += holeProbeLength, count++) {
      await readPadded(pastCache, at, memory)
      const zeros = leadingZeros(memory)
      if (zeros < memory.length) {
        at += zeros
        break
      }
      if (count % probesPerTurn === 0) await nextTurn()
      throwIfAborted(signal)
    }
    return Math.max(index, Math.floor((at - bitmapOffset) / pieceSize))
  }
}
