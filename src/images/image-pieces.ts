import { floorTo } from '../bytes/align.js'
import { allocateUnsafe } from '../bytes/fast.js'
import { checkGuestRange, type Image } from './image.js'

/** Some guest bytes of an image, half-open: by default all of them. */
export interface GuestRange {
  /** The first byte; default 0. */
  readonly start?: number | undefined
  /** The byte after the last one; default the virtual size. */
  readonly end?: number | undefined
}

/** Pieces start at multiples of this, bytes. */
const pieceLength = 256 * 1024

/**
 * Read guest bytes in order, as pieces of 256 KiB; the first and the last may be shorter. It reads a piece when the
 * caller asks for it, and the caller may keep it. It does not close the image.
 *
 * @throws UmlcowError OUT_OF_RANGE at once, and what `read` of the image throws
 */
export function imagePieces(image: Image, range: GuestRange = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end = image.virtualSize } = range
  checkGuestRange(image, start, end - start)
  return piecesOf(image, start, end)
}

async function* piecesOf(image: Image, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start; at < end; ) {
    const pieceEnd = Math.min(end, floorTo(at, pieceLength) + pieceLength)
    const piece = allocateUnsafe(pieceEnd - at)
    await image.read(at, piece)
    yield piece
    at = pieceEnd
  }
}
