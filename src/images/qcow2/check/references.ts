import { UmlcowError } from '../../../errors.js'
import { copiedFlag, entryOffset, isBadL1Entry, type Qcow2Header } from '../../../formats/qcow2/index.js'
import type { BlockStore } from '../../../stores/block-store.js'
import { listSnapshots } from '../snapshot-table.js'
import { listBitmapTables } from './bitmap-directory.js'
import type { ReferenceVisitor } from './reference-visitor.js'
import type { FindingList } from './report.js'
import { visitEntry } from './visit-entry.js'
import { entryWalker, type WalkEntries } from './walk-entries.js'

/** Entries that one walk looks at: tables that claim more are not those of an image that exists. */
const mostEntries = 2 ** 30

/** The active tables, or those of a snapshot. */
interface Tables {
  readonly l1Offset: number
  readonly l1Size: number
  readonly isActive: boolean
}

/**
 * Walk over all tables of an image, and visit every place that they name.
 *
 * @param findings  gets entries that are wrong; null when an earlier walk has reported them
 * @returns         false when the tables claim too many entries, and the walk was given up
 * @see             QEMU docs/interop/qcow2.rst
 */
export async function walkReferences(
  store: BlockStore,
  header: Qcow2Header,
  visitor: ReferenceVisitor,
  findings: FindingList | null,
  signal?: AbortSignal,
): Promise<boolean> {
  return new ReferenceWalk(store, header, visitor, findings, signal).run()
}

class ReferenceWalk {
  readonly #store: BlockStore
  readonly #header: Qcow2Header
  readonly #visitor: ReferenceVisitor
  readonly #findings: FindingList | null
  readonly #signal: AbortSignal | undefined
  /** The two levels of tables are walked at the same time, so each has a buffer. */
  readonly #upper: WalkEntries
  readonly #lower: WalkEntries
  readonly #entrySize: number
  #entriesLeft = mostEntries

  constructor(
    store: BlockStore,
    header: Qcow2Header,
    visitor: ReferenceVisitor,
    findings: FindingList | null,
    signal: AbortSignal | undefined,
  ) {
    this.#store = store
    this.#header = header
    this.#visitor = visitor
    this.#findings = findings
    this.#signal = signal
    this.#upper = entryWalker(store, signal)
    this.#lower = entryWalker(store, signal)
    this.#entrySize = header.extendedL2 ? 16 : 8
  }

  async run(): Promise<boolean> {
    const { clusterSize, l1Offset, l1Size } = this.#header
    this.#visitor.uses(0, clusterSize, 'table')
    await this.#refcountTable()
    await this.#tables({ l1Offset, l1Size, isActive: true })
    await this.#snapshots()
    await this.#bitmaps()
    return this.#entriesLeft >= 0
  }

  #wrong(message: string): void {
    this.#findings?.add('damage', 'QCOW2_ENTRY', message)
  }

  /** Use an area of tables, or report that it is not one. */
  #useArea(offset: number, length: number, what: string): boolean {
    const { clusterSize } = this.#header
    if (offset % clusterSize === 0 && offset > 0 && offset + length < this.#store.size + clusterSize) {
      this.#visitor.uses(offset, length, 'table')
      return true
    }
    this.#wrong(`${what}, ${length} bytes at offset ${offset}, is not on a cluster inside the file`)
    return false
  }

  async #refcountTable(): Promise<void> {
    const { refcountTableOffset: offset, refcountTableClusters, clusterSize } = this.#header
    const length = refcountTableClusters * clusterSize
    if (!this.#useArea(offset, length, 'the refcount table')) return
    await this.#upper({ offset, count: length / 8, entrySize: 8 }, (view, at, index) => {
      const [high, low] = [view.getUint32(at, false), view.getUint32(at + 4, false)]
      const block = high * 2 ** 32 + low
      if (block === 0) return undefined
      if (block % clusterSize === 0 && block < this.#store.size) this.#visitor.uses(block, clusterSize, 'table')
      else this.#wrong(`refcount block ${index} is not on a cluster inside the file`)
      return undefined
    })
  }

  async #tables({ l1Offset, l1Size, isActive }: Tables): Promise<void> {
    if (l1Size === 0 || !this.#useArea(l1Offset, l1Size * 8, 'an L1 table')) return
    const { clusterSize } = this.#header
    const perTable = clusterSize / this.#entrySize
    await this.#upper({ offset: l1Offset, count: l1Size, entrySize: 8 }, (view, at, index) => {
      const [high, low] = [view.getUint32(at, false), view.getUint32(at + 4, false)]
      const table = entryOffset(high, low)
      if (high === 0 && low === 0) return undefined
      if (isBadL1Entry(high, low)) this.#wrong(`L1 entry ${index} has reserved bits set`)
      if (table === 0 || table % clusterSize !== 0 || table + clusterSize > this.#store.size) {
        this.#wrong(`the L2 table of L1 entry ${index}, at offset ${table}, is not on a cluster inside the file`)
        return undefined
      }
      return this.#table(table, high >= copiedFlag, index * perTable * clusterSize, isActive)
    })
  }

  async #table(table: number, copied: boolean, guestStart: number, isActive: boolean): Promise<void> {
    const { clusterSize } = this.#header
    this.#visitor.uses(table, clusterSize, 'l2')
    const count = clusterSize / this.#entrySize
    this.#entriesLeft -= count
    if (this.#entriesLeft < 0) return
    if (isActive) await this.#visitor.copied(table, copied, guestStart)
    const visit = { header: this.#header, fileSize: this.#store.size, visitor: this.#visitor, findings: this.#findings }
    await this.#lower({ offset: table, count, entrySize: this.#entrySize }, (view, at, index) =>
      visitEntry(visit, view, at, guestStart + index * clusterSize, isActive),
    )
  }

  async #snapshots(): Promise<void> {
    const { snapshotCount, snapshotsOffset } = this.#header
    if (snapshotCount === 0) return
    let end = snapshotsOffset
    try {
      for await (const { snapshot, offset, length } of listSnapshots(this.#store, this.#header, this.#signal)) {
        end = offset + length
        await this.#tables({ l1Offset: snapshot.l1Offset, l1Size: snapshot.l1Size, isActive: false })
        if (this.#entriesLeft < 0) return
      }
    } catch (error) {
      if (!(error instanceof UmlcowError) || error.code !== 'QCOW2_DAMAGED') throw error
      this.#wrong('the snapshot table ends too early')
    }
    this.#visitor.uses(snapshotsOffset, end - snapshotsOffset, 'table')
  }

  async #bitmaps(): Promise<void> {
    const { hasBitmaps, extensions } = this.#header
    if (!hasBitmaps || extensions.bitmaps === null) return
    const { count, directoryOffset, directoryLength } = extensions.bitmaps
    if (!this.#useArea(directoryOffset, directoryLength, 'the bitmap directory')) return
    const end = Math.min(directoryOffset + directoryLength, this.#store.size)
    let tables = 0
    for await (const table of listBitmapTables(this.#store, { start: directoryOffset, end, count })) {
      tables++
      await this.#bitmapTable(table.offset, table.count)
    }
    if (tables < count) this.#wrong('the bitmap directory ends too early')
  }

  async #bitmapTable(offset: number, count: number): Promise<void> {
    this.#entriesLeft -= count
    if (this.#entriesLeft < 0 || !this.#useArea(offset, count * 8, 'a bitmap table')) return
    const { clusterSize } = this.#header
    await this.#upper({ offset, count, entrySize: 8 }, (view, at, index) => {
      const place = entryOffset(view.getUint32(at, false), view.getUint32(at + 4, false))
      if (place === 0) return undefined
      if (place % clusterSize === 0 && place < this.#store.size) this.#visitor.uses(place, clusterSize, 'table')
      else this.#wrong(`cluster ${index} of a bitmap is not on a cluster inside the file`)
      return undefined
    })
  }
}
