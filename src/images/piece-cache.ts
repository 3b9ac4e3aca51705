import { allocateUnsafe } from '../bytes/fast.js'
import type { BlockStore } from '../stores/block-store.js'
import { storedReader } from './read-stored.js'

/**
 * Bytes of one piece: of a bitmap, the bits of 64 MiB of 512-byte sectors. Longer pieces would save walks little, and
 * cost reads at random places of a large image more than the data itself.
 */
export const pieceSize = 16 * 1024

/** Pieces in memory for each cache: 4 MiB, the bits of 16 GiB of 512-byte sectors. */
export const cachedPieces = 256

/** Gets a piece by its index: at once where possible, else by a promise. */
export type PieceAt = (index: number) => Uint8Array | Promise<Uint8Array>

/** What a cache reads, and how much of it stays in memory. */
export interface CachedBytes {
  /** Fills `target` from `offset` on. @returns undefined when it could at once */
  read(offset: number, target: Uint8Array): Promise<void> | undefined
  /** Bytes of all. The last piece may be short. */
  readonly length: number
  /** Bytes of a piece. */
  readonly pieceSize: number
  readonly maxPieces: number
}

/**
 * Read a part of a store in pieces, such as a bitmap, and keep the most recently used ones.
 *
 * @param start   where the part starts, bytes from the start of the store
 * @param length  bytes of the part that the store holds
 */
export function pieceCache(store: BlockStore, start: number, length: number): PieceAt {
  const read = storedReader(store)
  return cachePieces({
    read: (offset, target) => read(start + offset, target),
    length,
    pieceSize,
    maxPieces: cachedPieces,
  })
}

/**
 * Read bytes in pieces, and keep the most recently used ones.
 *
 * A piece stays as it was when it was read: later changes of the file do not show until the cache drops the piece.
 * Nothing changes a piece in memory, so a caller may keep one for any time.
 */
export function cachePieces({ read, length, pieceSize, maxPieces }: CachedBytes): PieceAt {
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
    const offset = index * pieceSize
    const piece = allocateUnsafe(Math.min(pieceSize, length - offset))
    const pending = read(offset, piece)
    if (pending === undefined) return keep(index, piece)
    const promise = whenRead(index, pending, piece)
    loading.set(index, promise)
    return promise
  }
}
