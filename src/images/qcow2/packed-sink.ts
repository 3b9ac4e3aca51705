import { allocate } from '../../bytes/fast.js'
import { isZero } from '../../bytes/zeros.js'
import type { ImageSink } from '../new-image.js'
import type { NewQcow2 } from './new-qcow2.js'
import { PackedClusters } from './packed-clusters.js'

/** Compresses a cluster into raw deflate data with a window of at most 4 KiB: readers allow no larger one. */
export type PackCluster = (cluster: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** Stores guest bytes compressed, where that makes a cluster shorter. */
export class PackedSink implements ImageSink {
  readonly unit: number
  readonly #image: NewQcow2
  readonly #compress: PackCluster
  readonly #packed: PackedClusters
  /** A guest cluster that is not complete yet, and its bytes; null for none. */
  #pending: { readonly cluster: number; readonly bytes: Uint8Array } | null = null

  constructor(image: NewQcow2, unit: number, compress: PackCluster) {
    this.unit = unit
    this.#image = image
    this.#compress = compress
    this.#packed = new PackedClusters(image.out, image.space, unit)
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const end = offset + data.length
    for (let at = offset; at < end; ) {
      const wholeEnd = end - (end % this.unit)
      const isWhole = at % this.unit === 0 && wholeEnd > at
      const runEnd = isWhole ? wholeEnd : Math.min(end, at - (at % this.unit) + this.unit)
      const part = data.subarray(at - offset, runEnd - offset)
      if (isWhole) await this.#addWhole(at / this.unit, part)
      else await this.#addPart(at, part)
      at = runEnd
    }
    await this.#image.out.settle()
  }

  async zero(offset: number, length: number): Promise<void> {
    // Without a backing file, more bytes of the same cluster may follow.
    if (!this.#image.hasBacking) return
    await this.#finishPending()
    await this.#image.zero(offset, length)
    await this.#image.out.settle()
  }

  async finish(): Promise<void> {
    await this.#finishPending()
    await this.#image.finish()
  }

  /** Store whole clusters. They are compressed at the same time, and stored in order. */
  async #addWhole(first: number, part: Uint8Array): Promise<void> {
    await this.#finishPending()
    const clusters: Uint8Array[] = []
    for (let at = 0; at < part.length; at += this.unit) clusters.push(part.subarray(at, at + this.unit))
    const packed = await Promise.all(clusters.map((cluster) => this.#pack(cluster)))
    for (const [i, bytes] of packed.entries()) this.#store(first + i, clusters[i]!, bytes)
  }

  /** Keep a part of a cluster until the cluster is complete. */
  async #addPart(at: number, part: Uint8Array): Promise<void> {
    const cluster = Math.floor(at / this.unit)
    if (this.#pending?.cluster !== cluster) {
      await this.#finishPending()
      this.#pending = { cluster, bytes: allocate(this.unit) }
    }
    this.#pending.bytes.set(part, at % this.unit)
  }

  async #finishPending(): Promise<void> {
    if (this.#pending === null) return
    const { cluster, bytes } = this.#pending
    this.#pending = null
    this.#store(cluster, bytes, await this.#pack(bytes))
  }

  /** @returns null for a cluster of zeros */
  async #pack(cluster: Uint8Array): Promise<Uint8Array | null> {
    return isZero(cluster) ? null : this.#compress(cluster)
  }

  #store(cluster: number, plain: Uint8Array, packed: Uint8Array | null): void {
    const { out, space, tables } = this.#image
    if (packed === null) {
      this.#image.zeroCluster(cluster)
      return
    }
    this.#image.openTable(cluster)
    if (packed.length < this.unit) {
      tables.setCompressed(cluster, this.#packed.add(packed), packed.length)
    } else {
      const offset = space.allocate(1)
      out.put(offset, plain)
      tables.setData(cluster, offset)
    }
  }
}
