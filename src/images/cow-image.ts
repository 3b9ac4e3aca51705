import { type Extent, joinExtents } from '../bytes/extents.js'
import { type CowHeader, type CowLayout, computeLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { disposable } from '../stores/disposable.js'
import { OpenState } from '../stores/open-state.js'
import { backingExtents, readBacking } from './below.js'
import { openBitmapReader, type RunsUpTo } from './cow-bitmap-reader.js'
import { checkGuestRange, type Image } from './image.js'
import { addPart, isFull, type ListedLayers, listPartsBelow, type PartBatch, type PartLister } from './part-batch.js'
import { storedReader } from './read-stored.js'

/** Guest bytes, half-open, and whether the overlay supplies them. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly allocated: boolean
}

/**
 * Open an overlay over a backing image. The new image closes both.
 *
 * The image keeps pieces of the bitmap in memory, at most 4 MiB, and assumes that the overlay does not change. A sector
 * allocated after the image has read its bit may read as the backing image's. When another program has written the
 * overlay, open the image again.
 *
 * @param overlay  the store of the overlay. Allocated sectors beyond its end read as zeros, as in the kernel. To refuse
 *                 them, call `findTruncation` first
 * @param backing  the image below; bytes beyond its virtual size read as zeros
 * @param signal   ends reads and walks with INTERRUPTED
 */
export function openCowImage(
  overlay: BlockStore,
  header: CowHeader,
  backing: Image,
  signal?: AbortSignal,
): Image & AsyncDisposable {
  const layout = computeLayout(header)
  const { sectorSize, virtualSize } = header
  const state = new OpenState(overlay.name)
  const bitmap = openBitmapReader(overlay, layout, signal)
  const readOverlay = storedReader(overlay)

  async function* pieces(start: number, end: number): AsyncGenerator<Piece> {
    if (start === end) return
    let at = start
    for await (const run of bitmap.runs(Math.floor(start / sectorSize), Math.ceil(end / sectorSize))) {
      const runStart = Math.max(start, run.startSector * sectorSize)
      const runEnd = Math.min(end, run.endSector * sectorSize)
      if (runStart > at) yield { start: at, end: runStart, allocated: false }
      yield { start: runStart, end: runEnd, allocated: true }
      at = runEnd
    }
    if (at < end) yield { start: at, end, allocated: false }
  }

  async function* extents(start: number, end: number): AsyncGenerator<Extent> {
    state.assertOpen()
    for await (const piece of pieces(start, end)) {
      state.assertOpen()
      if (piece.allocated) yield overlayExtent(piece, layout)
      else yield* backingExtents(backing, piece)
    }
  }

  /** Like `pieces`, but without a generator, and without a promise where possible: guests read 4 KiB many times. */
  async function read(offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length
    const endSector = Math.ceil(end / sectorSize)
    for (let at = offset; at < end; ) {
      const found = bitmap.firstRuns(Math.floor(at / sectorSize), endSector)
      const { runs, endSector: seen } = found instanceof Promise ? await found : found
      for (const run of runs) {
        const runStart = Math.max(at, run.startSector * sectorSize)
        if (runStart > at) await readBacking(backing, at, target.subarray(at - offset, runStart - offset))
        const runEnd = Math.min(end, run.endSector * sectorSize)
        const pending = readOverlay(layout.dataOffset + runStart, target.subarray(runStart - offset, runEnd - offset))
        if (pending !== undefined) await pending
        at = runEnd
      }
      const seenEnd = Math.min(end, seen * sectorSize)
      if (seenEnd > at) await readBacking(backing, at, target.subarray(at - offset, seenEnd - offset))
      at = seenEnd
    }
  }

  /** Add the parts that `found` tells of. It stops where the batch is full, or where it is not known what lies below. */
  function addRuns(
    { runs, endSector: seen }: RunsUpTo,
    [start, end]: readonly [number, number],
    layers: ListedLayers,
    batch: PartBatch,
  ): number | Promise<number> {
    let at = start
    const seenEnd = Math.min(end, seen * sectorSize)
    for (let i = 0; at < seenEnd && !isFull(batch); ) {
      const run = runs[i]
      const runStart = run === undefined ? seenEnd : run.startSector * sectorSize
      if (runStart > at) {
        const reached = listPartsBelow(backing, at, runStart, layers, batch)
        if (typeof reached !== 'number' || reached === at) return reached
        at = reached
      } else {
        const runEnd = Math.min(end, run!.endSector * sectorSize)
        addPart(batch, at, runEnd, layers.depth, layout.dataOffset + at)
        at = runEnd
        i++
      }
    }
    return at
  }

  const image: PartLister = {
    virtualSize,
    async read(offset, target) {
      await state.run(async () => {
        checkGuestRange(image, offset, target.length)
        await read(offset, target)
      })
    },
    extents(start, length) {
      checkGuestRange(image, start, length)
      return joinExtents(extents(start, start + length))
    },
    listParts(start, end, layers, batch) {
      state.assertOpen()
      const found = bitmap.firstRuns(Math.floor(start / sectorSize), Math.ceil(end / sectorSize))
      // Once read, the bits are at hand: the caller asks again.
      return found instanceof Promise ? found.then(() => start) : addRuns(found, [start, end], layers, batch)
    },
    close: () =>
      state.close(async () => {
        try {
          await backing.close()
        } finally {
          await overlay.close()
        }
      }),
  }
  return disposable(image)
}

function overlayExtent(piece: Piece, layout: CowLayout): Extent {
  const { start, end } = piece
  return { start, length: end - start, depth: 0, data: true, zero: false, offset: layout.dataOffset + start }
}

/** What an overlay lacks because its file ends too early. */
export interface Truncation {
  /** The file ends inside the bitmap, so some bits are unknown. */
  readonly inBitmap: boolean
  /** Guest bytes of allocated sectors that the file does not hold. */
  readonly missingLength: number
  /** Guest offset of the first missing byte. */
  readonly firstMissing: number | null
}

/**
 * Find allocated sectors beyond the end of an overlay's file; null when there are none.
 *
 * A file may end early as long as no missing sector is allocated.
 */
export async function findTruncation(
  overlay: BlockStore,
  header: CowHeader,
  signal?: AbortSignal,
): Promise<Truncation | null> {
  const layout = computeLayout(header)
  const storedGuestLength = Math.max(0, overlay.size - layout.dataOffset)
  if (storedGuestLength >= header.virtualSize) return null
  const inBitmap = overlay.size < layout.bitmapOffset + layout.bitmapLength
  let missingLength = 0
  let firstMissing: number | null = null
  const fromSector = Math.floor(storedGuestLength / header.sectorSize)
  for await (const run of openBitmapReader(overlay, layout, signal).runs(fromSector, layout.sectorCount)) {
    const start = Math.max(storedGuestLength, run.startSector * header.sectorSize)
    const end = Math.min(header.virtualSize, run.endSector * header.sectorSize)
    firstMissing ??= start
    missingLength += end - start
  }
  return inBitmap || missingLength > 0 ? { inBitmap, missingLength, firstMissing } : null
}
