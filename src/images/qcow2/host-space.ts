import { allocate } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { qcow2Limits, refcountsPerBlock, setRefcount16 } from '../../formats/qcow2/index.js'
import type { GatheringWriter } from '../../stores/gathering-writer.js'

/** Width of the refcounts that umlcow writes. */
const refcountBits = 16

/**
 * The clusters of a new image: it hands them out one after the other, and writes their refcounts.
 *
 * Every cluster up to the end is in use, so only clusters of several users need a count in memory: those of the current
 * refcount block. A block is written when the image has grown past the clusters that it counts. In memory: one cluster,
 * and 8 bytes for each refcount block, at most 8 MiB.
 */
export class HostSpace {
  readonly #out: GatheringWriter
  readonly #clusterSize: number
  readonly #perBlock: number
  /** Clusters handed out so far. */
  #used = 0
  /** Refcounts of the current block, which follows those in `#blocks`. */
  readonly #counts: Uint8Array
  readonly #blocks: number[] = []

  constructor(out: GatheringWriter, clusterSize: number) {
    this.#out = out
    this.#clusterSize = clusterSize
    this.#perBlock = refcountsPerBlock(clusterSize, refcountBits)
    this.#counts = allocate(clusterSize)
    this.#startBlock(this.#perBlock)
  }

  /** Bytes of the clusters handed out so far: where the next one will be. */
  get end(): number {
    return this.#used * this.#clusterSize
  }

  /** The first cluster whose refcount can still change. */
  get firstOpenCluster(): number {
    return this.#blocks.length * this.#perBlock
  }

  /** Hand out clusters that follow each other. Each has one user. @returns the offset of the first one */
  allocate(count: number): number {
    const offset = this.end
    this.#used += count
    return offset
  }

  /** Set how many users a cluster has. It must be in the current block. */
  setUsers(cluster: number, users: number): void {
    setRefcount16(this.#counts, cluster - this.firstOpenCluster, users)
  }

  /** True when some refcount block is complete. Its place is handed out by `writeFullBlocks`. */
  get hasFullBlocks(): boolean {
    return this.#used >= this.firstOpenCluster + this.#perBlock
  }

  /** Write the refcount blocks whose clusters are all handed out. Their refcounts no longer change. */
  writeFullBlocks(): void {
    while (this.hasFullBlocks) {
      const offset = this.allocate(1)
      this.#blocks.push(offset)
      this.#out.put(offset, this.#counts)
      this.#startBlock(this.#perBlock)
    }
    this.#checkSize()
  }

  /** Write all other refcount blocks and the refcount table. Nothing can be handed out afterwards. */
  finish(): { readonly tableOffset: number; readonly tableClusters: number } {
    const { blockCount, tableClusters } = this.#remainder()
    const firstNew = this.#blocks.length
    for (let i = firstNew; i < blockCount; i++) this.#blocks.push(this.allocate(1))
    const tableOffset = this.allocate(tableClusters)
    this.#checkSize()
    for (let i = firstNew; i < blockCount; i++) {
      const left = Math.min(this.#perBlock, this.#used - i * this.#perBlock)
      if (i > firstNew) this.#startBlock(left)
      else this.#counts.fill(0, (left * refcountBits) / 8)
      this.#out.put(this.#blocks[i]!, this.#counts)
    }
    const table = allocate(tableClusters * this.#clusterSize)
    const view = new DataView(table.buffer, table.byteOffset, table.length)
    for (const [i, offset] of this.#blocks.entries()) view.setBigUint64(i * 8, BigInt(offset), false)
    this.#out.put(tableOffset, table)
    return { tableOffset, tableClusters }
  }

  /** Blocks and table are counted by blocks, too, so their numbers depend on each other. */
  #remainder(): { blockCount: number; tableClusters: number } {
    let blockCount = this.#blocks.length
    let tableClusters = 1
    for (;;) {
      const total = this.#used + (blockCount - this.#blocks.length) + tableClusters
      const blocks = Math.max(this.#blocks.length, Math.ceil(total / this.#perBlock))
      const clusters = Math.ceil((blocks * 8) / this.#clusterSize)
      if (blocks === blockCount && clusters === tableClusters) return { blockCount, tableClusters }
      blockCount = blocks
      tableClusters = clusters
    }
  }

  /** Start a block whose first `count` clusters have one user each. */
  #startBlock(count: number): void {
    this.#counts.fill(0)
    // The low byte of a refcount comes last.
    for (let i = 0; i < count; i++) this.#counts[2 * i + 1] = 1
  }

  #checkSize(): void {
    if (this.#blocks.length * 8 <= qcow2Limits.refcountTableBytes) return
    throw new UmlcowError('OUT_OF_RANGE', `a qcow2 image of ${this.end} bytes needs larger clusters`, {
      details: { clusterSize: this.#clusterSize },
    })
  }
}
