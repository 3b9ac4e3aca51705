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
 * @throws TypeError, RangeError and UmlcowError OUT_OF_RANGE at once, and what `read` of the image throws
 */
export function imagePieces(image: Image, range: GuestRange = {}): AsyncGenerator<Uint8Array, void, undefined> {
  // Callers without types get an answer, too.
  if (typeof image?.virtualSize !== 'number') throw new TypeError('image: expected an image, as openImage resolves to')
  const start = checkedOffset('start', range.start ?? 0, 0)
  const end = checkedOffset('end', range.end ?? Math.max(image.virtualSize, start), start)
  checkGuestRange(image, start, end - start)
  return piecesOf(image, start, end)
}

/** @throws TypeError, RangeError unless it is a whole number from `least` on */
function checkedOffset(name: string, value: number, least: number): number {
  const expected = `${name}: expected a whole number from ${least} on, got`
  if (typeof value !== 'number') throw new TypeError(`${expected} a value of the type ${typeof value}`)
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`${expected} ${value}`)
  return value
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
