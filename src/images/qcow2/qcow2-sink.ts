import { isPowerOfTwo } from '../../bytes/align.js'
import { allocate } from '../../bytes/fast.js'
import { isZero } from '../../bytes/zeros.js'
import { UmlcowError } from '../../errors.js'
import {
  l2Coverage,
  qcow2Limits,
  serializeQcow2Header,
  setCompressedEntry,
  setEntry,
  zeroFlag,
} from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import { type StoreWriter, storeWriter } from '../../stores/store-writer.js'
import type { ImageSink } from '../new-image.js'
import { HostSpace } from './host-space.js'
import { PackedClusters } from './packed-clusters.js'
import { TableWriter } from './table-writer.js'

/** Compresses a cluster into raw deflate data with a window of at most 4 KiB: readers allow no larger one. */
export type PackCluster = (cluster: Uint8Array) => Uint8Array | Promise<Uint8Array>

export interface Qcow2SinkOptions {
  /** Bytes that a guest sees. */
  readonly virtualSize: number
  /** A power of two from 512 bytes to 2 MiB; default 64 KiB. */
  readonly clusterSize?: number | undefined
  /** Store clusters compressed where that makes them shorter. */
  readonly compress?: PackCluster | undefined
  /** The file below. Both are recorded: no program has to guess the format from what a guest wrote. */
  readonly backing?: { readonly path: Uint8Array; readonly format: string } | undefined
}

/** The cluster size that QEMU chooses, too. */
export const defaultClusterSize = 64 * 1024

/**
 * Write a new qcow2 image of version 3 into an empty store, front to back: data, then each L2 table behind its data, the
 * refcounts behind what they count, and the header last. In memory: a few clusters, and at most 8 MiB of offsets.
 *
 * @throws RangeError for a wrong cluster size. UmlcowError BAD_VIRTUAL_SIZE when the image needs larger clusters,
 *         PATH_TOO_LONG
 */
export function createQcow2Sink(store: BlockStore, options: Qcow2SinkOptions): ImageSink {
  const { clusterSize = defaultClusterSize } = options
  assertClusterSize(clusterSize)
  return new Qcow2Sink(store, { ...options, clusterSize })
}

/** @throws RangeError unless it is a power of two from 512 bytes to 2 MiB */
export function assertClusterSize(clusterSize: number): void {
  const { least, most } = qcow2Limits.clusterBits
  if (isPowerOfTwo(clusterSize) && clusterSize >= 2 ** least && clusterSize <= 2 ** most) return
  throw new RangeError(`clusterSize: expected a power of two from ${2 ** least} to ${2 ** most}, got ${clusterSize}`)
}

class Qcow2Sink implements ImageSink {
  readonly unit: number
  readonly #store: BlockStore
  readonly #options: Qcow2SinkOptions
  readonly #put: StoreWriter
  readonly #space: HostSpace
  readonly #packed: PackedClusters
  readonly #tables: TableWriter
  readonly #l1Size: number
  readonly #l1Offset: number
  /** The guest cluster of the last bytes, and its offset in the file: more bytes of it may follow. */
  #lastCluster = -1
  #lastOffset = 0
  /** The bytes of the last cluster, while it is not complete and is to be compressed. */
  #pending: Uint8Array | null = null

  constructor(store: BlockStore, options: Qcow2SinkOptions & { readonly clusterSize: number }) {
    const { clusterSize, virtualSize } = options
    this.unit = clusterSize
    this.#store = store
    this.#options = options
    this.#put = storeWriter(store)
    // An empty image has a table of one entry: the header must name the cluster that the table takes.
    this.#l1Size = Math.max(1, Math.ceil(virtualSize / l2Coverage({ clusterSize, extendedL2: false })))
    if (this.#l1Size * 8 > qcow2Limits.l1Bytes) {
      throw new UmlcowError('BAD_VIRTUAL_SIZE', `${store.name}: ${virtualSize} bytes are too many for such clusters`, {
        details: { virtualSize, clusterSize },
        hint: 'use larger clusters: --cluster-size',
      })
    }
    this.#space = new HostSpace(this.#put, clusterSize)
    this.#header(0, 1)
    this.#space.allocate(1)
    this.#l1Offset = this.#space.allocate(Math.ceil((this.#l1Size * 8) / clusterSize))
    this.#packed = new PackedClusters(this.#put, this.#space, clusterSize)
    this.#tables = new TableWriter(this.#put, this.#space, clusterSize, this.#l1Offset)
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const end = offset + data.length
    for (let at = offset; at < end; ) {
      const cluster = Math.floor(at / this.unit)
      const isLast = cluster === this.#lastCluster
      const runEnd = Math.min(end, (isLast ? cluster + 1 : this.#tables.tableEnd(cluster)) * this.unit)
      const part = data.subarray(at - offset, runEnd - offset)
      if (isLast) await this.#addToLast(at, part)
      else await this.#addRun(at, part)
      at = runEnd
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    // Without a backing file a cluster that nobody writes reads as zeros.
    if (this.#options.backing === undefined) return
    const end = offset + length
    const isWhole = offset % this.unit === 0 && (end % this.unit === 0 || end === this.#options.virtualSize)
    if (!isWhole) throw new RangeError(`zeros of a part of a cluster: ${length} bytes at ${offset}`)
    await this.#finishLast()
    for (let cluster = offset / this.unit; cluster * this.unit < end; cluster++) {
      await this.#openTable(cluster)
      this.#tables.set(cluster, (view, at) => view.setUint32(at + 4, zeroFlag, false))
    }
  }

  async finish(): Promise<void> {
    await this.#finishLast()
    await this.#packed.flush()
    await this.#tables.finish()
    await this.#writeRefcounts()
    const { tableOffset, tableClusters } = await this.#space.finish()
    // The last cluster of data, and the L1 table, may have a tail that nothing was written to.
    await this.#store.truncate(this.#space.end)
    await this.#put(0, this.#header(tableOffset, tableClusters))
  }

  #header(refcountTableOffset: number, refcountTableClusters: number): Uint8Array {
    return serializeQcow2Header({
      clusterBits: Math.log2(this.unit),
      virtualSize: this.#options.virtualSize,
      l1Size: this.#l1Size,
      l1Offset: this.#l1Offset ?? 0,
      refcountTableOffset,
      refcountTableClusters,
      backing: this.#options.backing,
    })
  }

  /** Go on to the L2 table of a cluster. Write the refcounts of clusters that the image has grown past. */
  async #openTable(cluster: number): Promise<void> {
    if (!this.#tables.isOpen(cluster)) await this.#tables.open(cluster)
    if (this.#space.hasFullBlocks) await this.#writeRefcounts()
  }

  async #writeRefcounts(): Promise<void> {
    this.#packed.close()
    await this.#space.writeFullBlocks()
  }

  /** Add bytes to the cluster that came last. */
  async #addToLast(at: number, part: Uint8Array): Promise<void> {
    if (this.#pending !== null) this.#pending.set(part, at % this.unit)
    else await this.#put(this.#lastOffset + (at % this.unit), part)
  }

  /** Add bytes that start in a new cluster. All their clusters are in one L2 table. */
  async #addRun(at: number, part: Uint8Array): Promise<void> {
    await this.#finishLast()
    const first = Math.floor(at / this.unit)
    await this.#openTable(first)
    if (this.#options.compress === undefined) return this.#addPlain(at, part)
    let from = at
    const end = at + part.length
    const wholeEnd = end - (end % this.unit)
    if (at % this.unit === 0 && wholeEnd > at) {
      await this.#addCompressed(first, part.subarray(0, wholeEnd - at), this.#options.compress)
      from = wholeEnd
    }
    // The rest, and what follows it, waits until the cluster is complete. A start inside a cluster waits alone.
    for (let next = from; next < end; ) {
      await this.#finishLast()
      this.#lastCluster = Math.floor(next / this.unit)
      this.#pending = allocate(this.unit)
      const stop = Math.min(end, (this.#lastCluster + 1) * this.unit)
      this.#pending.set(part.subarray(next - at, stop - at), next % this.unit)
      next = stop
    }
  }

  /** Store bytes as they are, in clusters that follow each other. */
  async #addPlain(at: number, part: Uint8Array): Promise<void> {
    const first = Math.floor(at / this.unit)
    const last = Math.floor((at + part.length - 1) / this.unit)
    const offset = this.#space.allocate(last - first + 1)
    const pending = this.#put(offset + (at % this.unit), part)
    if (pending !== undefined) await pending
    for (let cluster = first; cluster <= last; cluster++) {
      this.#tables.set(cluster, (view, entry) => setEntry(view, entry, offset + (cluster - first) * this.unit))
    }
    this.#lastCluster = last
    this.#lastOffset = offset + (last - first) * this.unit
  }

  /** Store whole clusters compressed. They are compressed at the same time, and stored in order. */
  async #addCompressed(first: number, part: Uint8Array, compress: PackCluster): Promise<void> {
    const clusters: Uint8Array[] = []
    for (let at = 0; at < part.length; at += this.unit) clusters.push(part.subarray(at, at + this.unit))
    const packed = await Promise.all(clusters.map((cluster) => (isZero(cluster) ? null : compress(cluster))))
    for (const [i, bytes] of packed.entries()) {
      await this.#storePacked(first + i, clusters[i]!, bytes)
    }
    this.#lastCluster = -1
  }

  /** @param bytes  null for a cluster of zeros */
  async #storePacked(cluster: number, plain: Uint8Array, bytes: Uint8Array | null): Promise<void> {
    await this.#openTable(cluster)
    if (bytes === null) {
      if (this.#options.backing === undefined) return
      this.#tables.set(cluster, (view, at) => view.setUint32(at + 4, zeroFlag, false))
    } else if (bytes.length >= this.unit) {
      await this.#addPlain(cluster * this.unit, plain)
    } else {
      const offset = await this.#packed.add(bytes)
      const place = { offset, length: bytes.length, clusterBits: Math.log2(this.unit) }
      this.#tables.set(cluster, (view, at) => setCompressedEntry(view, at, place))
    }
  }

  async #finishLast(): Promise<void> {
    const { compress } = this.#options
    if (this.#pending === null || compress === undefined) return
    const [cluster, plain] = [this.#lastCluster, this.#pending]
    this.#pending = null
    await this.#storePacked(cluster, plain, isZero(plain) ? null : await compress(plain))
    this.#lastCluster = -1
  }
}
