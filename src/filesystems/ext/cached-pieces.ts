import { allocateUnsafe } from '../../bytes/fast.js'
import type { Image } from '../../images/image.js'

/** Bytes of a piece: 16 blocks of 4 KiB, or 256 inodes. Blocks are never larger. */
export const pieceLength = 64 * 1024

/** Gets a piece by its index: at once when it is in memory, else by a promise. */
export type GetPiece = (index: number) => Uint8Array | Promise<Uint8Array>

/**
 * Read an image in pieces, and keep the most recently used ones.
 *
 * Nothing changes a piece in memory, so a caller may keep one for any time. The last piece of an image may be short.
 */
export function cachePieces(image: Image, maxPieces: number): GetPiece {
  /** Least recently used first. */
  const held = new Map<number, Uint8Array>()
  const loading = new Map<number, Promise<Uint8Array>>()
  let last = -1

  function keep(index: number, piece: Uint8Array): Uint8Array {
    held.delete(index)
    held.set(index, piece)
    last = index
    if (held.size > maxPieces) held.delete(held.keys().next().value!)
    return piece
  }

  async function load(index: number): Promise<Uint8Array> {
    const offset = index * pieceLength
    const piece = allocateUnsafe(Math.min(pieceLength, image.virtualSize - offset))
    try {
      await image.read(offset, piece)
    } finally {
      loading.delete(index)
    }
    return keep(index, piece)
  }

  return (index) => {
    const known = held.get(index)
    if (known !== undefined) return index === last ? known : keep(index, known)
    const underWay = loading.get(index)
    if (underWay !== undefined) return underWay
    const promise = load(index)
    loading.set(index, promise)
    return promise
  }
}
