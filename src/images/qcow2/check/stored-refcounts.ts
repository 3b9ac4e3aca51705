import { entryOffset, type Qcow2Header, readRefcount, refcountsPerBlock } from '../../../formats/qcow2/index.js'
import type { BlockStore } from '../../../stores/block-store.js'
import { pieceCache, pieceSize } from '../../piece-cache.js'

/** Reads the refcounts that an image stores: at once where possible, through a cache of at most 8 MiB. */
export type RefcountOf = (cluster: number) => number | Promise<number>

/** Open the refcounts of an image. A refcount in a block that cannot be read is 0. */
export function openRefcounts(store: BlockStore, header: Qcow2Header): RefcountOf {
  const { clusterSize, refcountBits, refcountTableOffset, refcountTableClusters } = header
  const perBlock = refcountsPerBlock(clusterSize, refcountBits)
  const tableLength = Math.min(refcountTableClusters * clusterSize, store.size - refcountTableOffset)
  const tablePiece = pieceCache(store, refcountTableOffset, tableLength)
  const blockPiece = pieceCache(store, 0, store.size)

  function fromTable(piece: Uint8Array, cluster: number): number | Promise<number> {
    const at = (Math.floor(cluster / perBlock) * 8) % pieceSize
    if (at + 8 > piece.length) return 0
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
    const block = entryOffset(view.getUint32(at, false), view.getUint32(at + 4, false))
    const index = cluster % perBlock
    const bit = index * refcountBits
    const byteAt = block + Math.floor(bit / 8)
    if (block === 0 || block % clusterSize !== 0 || byteAt >= store.size) return 0
    const found = blockPiece(Math.floor(byteAt / pieceSize))
    const read = (bytes: Uint8Array) => refcountIn(bytes, byteAt % pieceSize, index)
    return found instanceof Uint8Array ? read(found) : found.then(read)
  }

  function refcountIn(bytes: Uint8Array, at: number, index: number): number {
    const width = Math.max(1, refcountBits / 8)
    if (at + width > bytes.length) return 0
    const part = bytes.subarray(at, at + width)
    return readRefcount(part, refcountBits < 8 ? index % (8 / refcountBits) : 0, refcountBits)
  }

  return (cluster) => {
    const entryAt = Math.floor(cluster / perBlock) * 8
    if (entryAt + 8 > tableLength) return 0
    const piece = tablePiece(Math.floor(entryAt / pieceSize))
    return piece instanceof Uint8Array ? fromTable(piece, cluster) : piece.then((bytes) => fromTable(bytes, cluster))
  }
}
