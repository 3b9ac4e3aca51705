import { nextTurn } from '../../bytes/next-turn.js'
import { UmlcowError } from '../../errors.js'
import { l2Coverage, qcow2Limits, serializeQcow2Header } from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import { type GatheringWriter, gatheringWriter } from '../../stores/gathering-writer.js'
import { HostSpace } from './host-space.js'
import { TableWriter } from './table-writer.js'

/** Clusters of zeros that are marked in one go: some milliseconds. */
const clustersAtOnce = 2 ** 18

export interface NewQcow2Options {
  /** Bytes that a guest sees. */
  readonly virtualSize: number
  readonly clusterSize: number
  /** The file below. Both are recorded: no program has to guess the format from what a guest wrote. */
  readonly backing?: { readonly path: Uint8Array; readonly format: string } | undefined
}

/** A qcow2 image of version 3 that grows in an empty store: its space, its tables, and its header. */
export class NewQcow2 {
  readonly out: GatheringWriter
  readonly space: HostSpace
  readonly tables: TableWriter
  readonly #store: BlockStore
  readonly #options: NewQcow2Options
  readonly #l1Size: number
  readonly #l1Offset: number

  /** @throws UmlcowError BAD_VIRTUAL_SIZE, PATH_TOO_LONG */
  constructor(store: BlockStore, options: NewQcow2Options) {
    const { clusterSize, virtualSize } = options
    this.#store = store
    this.#options = options
    this.out = gatheringWriter(store)
    // An empty image has a table of one entry: the header must name the cluster that the table takes.
    this.#l1Size = Math.max(1, Math.ceil(virtualSize / l2Coverage({ clusterSize, extendedL2: false })))
    if (this.#l1Size * 8 > qcow2Limits.l1Bytes) {
      throw new UmlcowError('BAD_VIRTUAL_SIZE', `${store.name}: ${virtualSize} bytes are too many for such clusters`, {
        details: { virtualSize, clusterSize },
        hint: 'use larger clusters: --cluster-size',
      })
    }
    this.space = new HostSpace(this.out, clusterSize)
    this.#l1Offset = clusterSize
    this.#header(0, 1)
    this.space.allocate(1 + Math.ceil((this.#l1Size * 8) / clusterSize))
    this.tables = new TableWriter(this.out, this.space, clusterSize, this.#l1Offset)
  }

  get hasBacking(): boolean {
    return this.#options.backing !== undefined
  }

  /** Go on to the L2 table of a cluster. Write the refcounts of clusters that the image has grown past. */
  openTable(cluster: number): void {
    this.tables.open(cluster)
    if (this.space.hasFullBlocks) this.space.writeFullBlocks()
  }

  /** Make whole clusters read as zeros. @returns undefined when all is done */
  zero(offset: number, length: number): Promise<void> | undefined {
    const { clusterSize, virtualSize } = this.#options
    // Without a backing file a cluster that nobody writes reads as zeros.
    if (!this.hasBacking) return undefined
    const end = offset + length
    const isWhole = offset % clusterSize === 0 && (end % clusterSize === 0 || end === virtualSize)
    if (!isWhole) throw new RangeError(`zeros of a part of a cluster: ${length} bytes at ${offset}`)
    return this.zeroClusters(offset / clusterSize, Math.ceil(end / clusterSize))
  }

  /** Many clusters take long, and their tables fill the memory where the store cannot write at once. */
  private zeroClusters(first: number, end: number): Promise<void> | undefined {
    const stop = Math.min(end, first + clustersAtOnce)
    for (let cluster = first; cluster < stop; cluster++) this.zeroCluster(cluster)
    return stop === end ? this.out.settle() : this.zeroRest(stop, end)
  }

  private async zeroRest(first: number, end: number): Promise<void> {
    for (let at = first; at < end; at += clustersAtOnce) {
      await this.out.settle()
      await nextTurn()
      await this.zeroClusters(at, Math.min(end, at + clustersAtOnce))
    }
  }

  zeroCluster(cluster: number): void {
    if (!this.hasBacking) return
    this.openTable(cluster)
    this.tables.setZero(cluster)
  }

  /** Write tables, refcounts, and the header last. */
  async finish(): Promise<void> {
    this.tables.finish()
    this.space.writeFullBlocks()
    const { tableOffset, tableClusters } = this.space.finish()
    this.out.flush()
    await this.out.settle()
    // The last cluster of data, and the L1 table, may have a tail that nothing was written to.
    await this.#store.truncate(this.space.end)
    this.out.put(0, this.#header(tableOffset, tableClusters))
    this.out.flush()
    await this.out.settle()
  }

  #header(refcountTableOffset: number, refcountTableClusters: number): Uint8Array {
    return serializeQcow2Header({
      clusterBits: Math.log2(this.#options.clusterSize),
      virtualSize: this.#options.virtualSize,
      l1Size: this.#l1Size,
      l1Offset: this.#l1Offset,
      refcountTableOffset,
      refcountTableClusters,
      backing: this.#options.backing,
    })
  }
}
