import { allocateUnsafe } from '../bytes/fast.js'
import type { BlockStore } from '../stores/block-store.js'
import { storedReader } from './read-stored.js'

/**
 * Bytes of bitmap that are read together: the bits of 64 MiB of 512-byte sectors. Longer ones would spare walks little, and
 * cost reads at random places of a large image more than the data they are after.
 */
export const bitmapPieceSize = 16 * 1024

/** Pieces in memory, of an overlay: 4 MiB, the bits of 16 GiB of 512-byte sectors. */
export const cachedPieces = 256

/** A piece of the bitmap; a promise of one that has to be read first. */
export type PieceAt = (index: number) => Uint8Array | Promise<Uint8Array>

/**
 * Reads a bitmap in pieces and keeps those that were asked for last.
 *
 * A piece is as it was when it was read: what changes the bitmap afterwards does not show until the piece has made way for
 * others. Nothing ever changes a piece in memory, so one may be used for as long as it is wanted.
 *
 * @param start   of the bitmap, bytes from the start of the store
 * @param length  bytes of the bitmap that the store holds
 */
export function bitmapCache(store: BlockStore, start: number, length: number): PieceAt {
  const read = storedReader(store)
  /** Least recently used first. */
  const held = new Map<number, Uint8Array>()
  const loading = new Map<number, Promise<Uint8Array>>()
  let last = -1

  function keep(index: number, piece: Uint8Array): Uint8Array {
    held.delete(index)
    held.set(index, piece)
    last = index
    if (held.size > cachedPieces) held.delete(held.keys().next().value!)
    return piece
  }

  async function whenRead(index: number, pending: Promise<void>, piece: Uint8Array): Promise<Uint8Array> {
    try {
      await pending
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
    const offset = index * bitmapPieceSize
    const piece = allocateUnsafe(Math.min(bitmapPieceSize, length - offset))
    const pending = read(start + offset, piece)
    if (pending === undefined) return keep(index, piece)
    const promise = whenRead(index, pending, piece)
    loading.set(index, promise)
    return promise
  }
}
