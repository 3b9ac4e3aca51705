import { allocate } from '../../bytes/fast.js'
import { setCompressedEntry, setEntry, zeroFlag } from '../../formats/qcow2/index.js'
import type { GatheringWriter } from '../../stores/gathering-writer.js'
import type { HostSpace } from './host-space.js'

/** Bytes of the part of the L1 table that is in memory: a multiple of every entry, and of no cluster in particular. */
const l1PartSize = 64 * 1024

/**
 * Writes the L1 and L2 tables of a new image. Clusters come in ascending order, so one L2 table and a part of the L1 table
 * are in memory. Entries that nobody sets are zeros.
 */
export class TableWriter {
  readonly #out: GatheringWriter
  readonly #space: HostSpace
  readonly #clusterBits: number
  readonly #entries: number
  readonly #l1Offset: number
  readonly #l2: Uint8Array
  readonly #l2View: DataView
  #l2Index = -1
  readonly #l1: Uint8Array
  readonly #l1View: DataView
  #l1Start = 0
  #l1Used = false

  constructor(out: GatheringWriter, space: HostSpace, clusterSize: number, l1Offset: number) {
    this.#out = out
    this.#space = space
    this.#clusterBits = Math.log2(clusterSize)
    this.#entries = clusterSize / 8
    this.#l1Offset = l1Offset
    this.#l2 = allocate(clusterSize)
    this.#l2View = new DataView(this.#l2.buffer, this.#l2.byteOffset, clusterSize)
    this.#l1 = allocate(l1PartSize)
    this.#l1View = new DataView(this.#l1.buffer, this.#l1.byteOffset, l1PartSize)
  }

  /** Say where a guest cluster is in the file. Its table must be open, for this and the next two. */
  setData(cluster: number, offset: number): void {
    setEntry(this.#l2View, this.#entryAt(cluster), offset)
  }

  setZero(cluster: number): void {
    this.#l2View.setUint32(this.#entryAt(cluster) + 4, zeroFlag, false)
  }

  setCompressed(cluster: number, offset: number, length: number): void {
    setCompressedEntry(this.#l2View, this.#entryAt(cluster), { offset, length, clusterBits: this.#clusterBits })
  }

  /** The guest cluster after the last one of the same L2 table. */
  tableEnd(cluster: number): number {
    return (Math.floor(cluster / this.#entries) + 1) * this.#entries
  }

  /** Go on to the L2 table of a guest cluster. */
  open(cluster: number): void {
    const index = Math.floor(cluster / this.#entries)
    if (index === this.#l2Index) return
    this.#closeL2()
    this.#l2Index = index
  }

  /** Write what is in memory. */
  finish(): void {
    this.#closeL2()
    this.#writeL1()
  }

  #entryAt(cluster: number): number {
    return (cluster % this.#entries) * 8
  }

  #closeL2(): void {
    if (this.#l2Index < 0) return
    const offset = this.#space.allocate(1)
    this.#out.put(offset, this.#l2)
    this.#l2.fill(0)
    const at = this.#l2Index * 8
    if (at >= this.#l1Start + l1PartSize) {
      this.#writeL1()
      this.#l1Start = at - (at % l1PartSize)
    }
    setEntry(this.#l1View, at - this.#l1Start, offset)
    this.#l1Used = true
    this.#l2Index = -1
  }

  #writeL1(): void {
    if (!this.#l1Used) return
    const room = this.#l1.length
    let end = room
    while (end > 8 && this.#l1[end - 8] === 0) end -= 8
    this.#out.put(this.#l1Offset + this.#l1Start, this.#l1.subarray(0, end))
    this.#l1.fill(0)
    this.#l1Used = false
  }
}
