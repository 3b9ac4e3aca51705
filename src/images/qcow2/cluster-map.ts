import { UmlcowError } from '../../errors.js'
import {
  type CompressedPlace,
  compressedFlag,
  compressedPlace,
  copiedFlag,
  entryOffset,
  isBadL1Entry,
  isBadStandardEntry,
  l2Coverage,
  type Qcow2Header,
  zeroFlag,
} from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import { pieceCache, pieceSize } from '../piece-cache.js'

/**
 * Guest bytes of one kind, half-open.
 *
 * `data`: the file has them at `offset`. `zero`: they read as zeros; `offset` says where the file has room for them, or
 * is null. `below`: the backing file supplies them, or they are zeros without one. `compressed`: one cluster, or a part
 * of it, at `place`.
 */
export type ClusterRun =
  | { readonly kind: 'data'; readonly start: number; readonly end: number; readonly offset: number }
  | { readonly kind: 'zero'; readonly start: number; readonly end: number; readonly offset: number | null }
  | { readonly kind: 'below'; readonly start: number; readonly end: number }
  | { readonly kind: 'compressed'; readonly start: number; readonly end: number; readonly place: CompressedPlace }

/** Finds the clusters of an image through its L1 and L2 tables, which it keeps in pieces: at most 8 MiB. */
export interface ClusterMap {
  /**
   * Find the run that starts at the guest offset `start`, at once where possible. It ends at `end` or before; the next
   * one may be of the same kind.
   *
   * @throws UmlcowError QCOW2_DAMAGED
   */
  firstRun(start: number, end: number): ClusterRun | Promise<ClusterRun>
}

/** Open the map of the active clusters of an image. */
export function openClusterMap(store: BlockStore, header: Qcow2Header): ClusterMap {
  const { clusterSize, clusterBits, extendedL2 } = header
  const coverage = l2Coverage(header)
  const entrySize = extendedL2 ? 16 : 8
  const unitSize = extendedL2 ? clusterSize / 32 : clusterSize
  const mayBeZero = header.version >= 3 && !extendedL2
  const l1Piece = pieceCache(store, header.l1Offset, header.l1Size * 8)
  const l2Piece = pieceCache(store, 0, store.size)

  function damaged(guestOffset: number, what: string): UmlcowError {
    return new UmlcowError('QCOW2_DAMAGED', `${store.name}: ${what} of guest offset ${guestOffset}`, {
      details: { guestOffset },
      hint: '"umlcow check" lists the damage; "qemu-img check -r all" on a copy may repair it',
    })
  }

  /** @returns the offset of the L2 table; 0 when there is none */
  function tableOffset(view: DataView, at: number, guestOffset: number): number {
    const high = view.getUint32(at, false)
    const low = view.getUint32(at + 4, false)
    const offset = entryOffset(high, low)
    if (isBadL1Entry(high, low) || offset % clusterSize !== 0) throw damaged(guestOffset, 'wrong bits in the L1 entry')
    if (offset === 0 && high >= copiedFlag) throw damaged(guestOffset, 'an L2 table at offset 0')
    if (offset > 0 && offset + clusterSize > store.size) throw damaged(guestOffset, 'no L2 table inside the file')
    return offset
  }

  function runFromL1(piece: Uint8Array, start: number, end: number): ClusterRun | Promise<ClusterRun> {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
    const index = Math.floor(start / coverage)
    const first = (index * 8) % pieceSize
    const table = tableOffset(view, first, start)
    if (table > 0) return runInTable(table, start, Math.min(end, (index + 1) * coverage))
    let at = (index + 1) * coverage
    for (let next = first + 8; at < end && next < piece.length; next += 8, at += coverage) {
      if (tableOffset(view, next, at) > 0) break
    }
    return { kind: 'below', start, end: Math.min(at, end) }
  }

  function runInTable(table: number, start: number, end: number): ClusterRun | Promise<ClusterRun> {
    const entryAt = table + Math.floor((start % coverage) / clusterSize) * entrySize
    const pieceIndex = Math.floor(entryAt / pieceSize)
    const piece = l2Piece(pieceIndex)
    if (piece instanceof Uint8Array) return runInPiece(piece, entryAt % pieceSize, start, end)
    return piece.then((bytes) => runInPiece(bytes, entryAt % pieceSize, start, end))
  }

  /** Join the clusters that follow each other in the guest, and in the file, as far as this piece shows them. */
  function runInPiece(piece: Uint8Array, entryAt: number, start: number, end: number): ClusterRun {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
    const first = runOfCluster(view, entryAt, start, end)
    if (first.kind === 'compressed') return first
    const same = extendedL2 || first.end % clusterSize !== 0 ? 0 : entriesThatGoOn(view, entryAt, end - first.end)
    let runEnd = Math.min(end, first.end + same * clusterSize)
    for (let at = entryAt + (same + 1) * entrySize; runEnd < end && at < piece.length; at += entrySize) {
      if (runEnd % clusterSize !== 0) break
      const next = runOfCluster(view, at, runEnd, end)
      if (next.kind !== first.kind || !follows(first, next)) break
      runEnd = next.end
    }
    return { ...first, end: runEnd }
  }

  /**
   * Count the entries that go on as the one before them: all empty, or clusters that follow each other. Most entries of
   * most images do, so none of them gets an object. `runOfCluster` checks and reports all others.
   */
  function entriesThatGoOn(view: DataView, entryAt: number, length: number): number {
    const high = view.getUint32(entryAt, false)
    const low = view.getUint32(entryAt + 4, false)
    const step = high === 0 && low === 0 ? 0 : clusterSize
    if ((low & zeroFlag) !== 0) return 0
    const offset = entryOffset(high, low)
    const most = Math.min((view.byteLength - entryAt) / entrySize - 1, Math.ceil(length / clusterSize))
    let count = 0
    for (let at = entryAt + entrySize; count < most; at += entrySize) {
      const expected = low + (count + 1) * step
      if (view.getUint32(at + 4, false) !== expected || view.getUint32(at, false) !== high) break
      if (step > 0 && offset + (count + 1) * step >= store.size) break
      count++
    }
    return count
  }

  function follows(first: ClusterRun, next: ClusterRun): boolean {
    if (!('offset' in first) || !('offset' in next)) return true
    if (first.offset === null || next.offset === null) return first.offset === next.offset
    return next.offset - first.offset === next.start - first.start
  }

  /** Read one L2 entry: from `start` to the end of the cluster, or to where its subclusters change. */
  function runOfCluster(view: DataView, at: number, start: number, limit: number): ClusterRun {
    const high = view.getUint32(at, false)
    const low = view.getUint32(at + 4, false)
    const inCluster = start % clusterSize
    const end = Math.min(limit, start - inCluster + clusterSize)
    if ((high & compressedFlag) !== 0) {
      const place = compressedPlace(high, low, clusterBits)
      if (place === null || place.offset < clusterSize || place.offset >= store.size) {
        throw damaged(start, 'no compressed cluster inside the file')
      }
      return { kind: 'compressed', start, end, place }
    }
    const offset = entryOffset(high, low)
    checkStandard(high, low, offset, start)
    if (extendedL2) return subclusterRun(view, at, offset, start, end)
    if ((low & zeroFlag) !== 0) return { kind: 'zero', start, end, offset: offset === 0 ? null : offset + inCluster }
    if (offset === 0) return { kind: 'below', start, end }
    return { kind: 'data', start, end, offset: offset + inCluster }
  }

  function checkStandard(high: number, low: number, offset: number, start: number): void {
    if (isBadStandardEntry(high, low, mayBeZero) || offset % clusterSize !== 0) {
      throw damaged(start, 'wrong bits in the L2 entry')
    }
    if (offset === 0 && high >= copiedFlag) throw damaged(start, 'a cluster at offset 0')
    // A file may end inside its last cluster. A cluster that it does not hold at all is lost.
    if (offset > 0 && offset >= store.size) throw damaged(start, 'no cluster inside the file')
  }

  /** Where a cluster has 32 parts: bit x of `stored` and of `zeros` stands for the part x. */
  function subclusterRun(view: DataView, at: number, offset: number, start: number, end: number): ClusterRun {
    const zeros = view.getUint32(at + 8, false)
    const stored = view.getUint32(at + 12, false)
    if ((zeros & stored) !== 0 || (stored !== 0 && offset === 0)) throw damaged(start, 'wrong subclusters')
    const inCluster = start % clusterSize
    const first = Math.floor(inCluster / unitSize)
    const isStored = (stored >>> first) & 1
    const isZero = (zeros >>> first) & 1
    let last = first + 1
    while (last < 32 && ((stored >>> last) & 1) === isStored && ((zeros >>> last) & 1) === isZero) last++
    const runEnd = Math.min(end, start - inCluster + last * unitSize)
    if (isStored === 1) return { kind: 'data', start, end: runEnd, offset: offset + inCluster }
    if (isZero === 1) return { kind: 'zero', start, end: runEnd, offset: offset === 0 ? null : offset + inCluster }
    return { kind: 'below', start, end: runEnd }
  }

  return {
    firstRun(start, end) {
      const piece = l1Piece(Math.floor((Math.floor(start / coverage) * 8) / pieceSize))
      if (piece instanceof Uint8Array) return runFromL1(piece, start, end)
      return piece.then((bytes) => runFromL1(bytes, start, end))
    },
  }
}
