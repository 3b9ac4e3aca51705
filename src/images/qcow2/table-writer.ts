import { allocate } from '../../bytes/fast.js'
import { setEntry } from '../../formats/qcow2/index.js'
import type { StoreWriter } from '../../stores/store-writer.js'
import type { HostSpace } from './host-space.js'

/** Bytes of the part of the L1 table that is in memory: a multiple of every entry, and of no cluster in particular. */
const l1PartSize = 64 * 1024

/** Sets an entry of an L2 table: `at` is its offset in `view`. */
export type SetL2Entry = (view: DataView, at: number) => void

/**
 * Writes the L1 and L2 tables of a new image. Clusters come in ascending order, so one L2 table and a part of the L1 table
 * are in memory. Entries that nobody sets are zeros.
 */
export class TableWriter {
  readonly #put: StoreWriter
  readonly #space: HostSpace
  readonly #entries: number
  readonly #l1Offset: number
  readonly #l2: Uint8Array
  readonly #l2View: DataView
  #l2Index = -1
  readonly #l1: Uint8Array
  readonly #l1View: DataView
  #l1Start = 0
  #l1Used = false

  constructor(put: StoreWriter, space: HostSpace, clusterSize: number, l1Offset: number) {
    this.#put = put
    this.#space = space
    this.#entries = clusterSize / 8
    this.#l1Offset = l1Offset
    this.#l2 = allocate(clusterSize)
    this.#l2View = new DataView(this.#l2.buffer, this.#l2.byteOffset, clusterSize)
    this.#l1 = allocate(l1PartSize)
    this.#l1View = new DataView(this.#l1.buffer, this.#l1.byteOffset, l1PartSize)
  }

  /** Set the entry of a guest cluster, where `isOpen` says that its table is in memory. */
  set(cluster: number, set: SetL2Entry): void {
    set(this.#l2View, (cluster % this.#entries) * 8)
  }

  /** True when the L2 table of a guest cluster is in memory. */
  isOpen(cluster: number): boolean {
    return Math.floor(cluster / this.#entries) === this.#l2Index
  }

  /** The guest cluster after the last one of the same L2 table. */
  tableEnd(cluster: number): number {
    return (Math.floor(cluster / this.#entries) + 1) * this.#entries
  }

  /** Go on to the L2 table of a guest cluster. */
  async open(cluster: number): Promise<void> {
    if (this.isOpen(cluster)) return
    await this.#closeL2()
    this.#l2Index = Math.floor(cluster / this.#entries)
  }

  /** Write what is in memory. */
  async finish(): Promise<void> {
    await this.#closeL2()
    await this.#writeL1()
  }

  async #closeL2(): Promise<void> {
    if (this.#l2Index < 0) return
    const offset = this.#space.allocate(1)
    await this.#put(offset, this.#l2)
    this.#l2.fill(0)
    const at = this.#l2Index * 8
    if (at >= this.#l1Start + l1PartSize) {
      await this.#writeL1()
      this.#l1Start = at - (at % l1PartSize)
    }
    setEntry(this.#l1View, at - this.#l1Start, offset)
    this.#l1Used = true
    this.#l2Index = -1
  }

  async #writeL1(): Promise<void> {
    if (!this.#l1Used) return
    const room = this.#l1.length
    let end = room
    while (end > 8 && this.#l1[end - 8] === 0) end -= 8
    await this.#put(this.#l1Offset + this.#l1Start, this.#l1.subarray(0, end))
    this.#l1.fill(0)
    this.#l1Used = false
  }
}
