import type { UserKind } from './reference-visitor.js'

/** Clusters that are counted at a time: 8 MiB of numbers. */
export const windowClusters = 2 ** 21

const countBits = 29
const kindBit: Readonly<Record<UserKind, number>> = { table: 0, l2: 1, data: 2 }

/** Counts the users of clusters of the file, in one window of them at a time. */
export class UserCounts {
  readonly #clusterSize: number
  readonly #total: number
  readonly #cells: Uint32Array
  #first = 0
  #length = 0

  /** @param total  clusters of the file */
  constructor(clusterSize: number, total: number) {
    this.#clusterSize = clusterSize
    this.#total = total
    this.#cells = new Uint32Array(Math.min(windowClusters, total))
  }

  /** Count the clusters from `first` on. */
  moveTo(first: number): void {
    this.#first = first
    this.#length = Math.min(this.#cells.length, this.#total - first)
    this.#cells.fill(0)
  }

  get end(): number {
    return this.#first + this.#length
  }

  /** Count a user of all clusters that some bytes touch. */
  add(offset: number, length: number, kind: UserKind): void {
    const first = Math.max(this.#first, Math.floor(offset / this.#clusterSize))
    const last = Math.min(this.end, Math.ceil((offset + length) / this.#clusterSize))
    for (let cluster = first; cluster < last; cluster++) {
      const cell = this.#cells[cluster - this.#first]!
      this.#cells[cluster - this.#first] = (cell + 1) | (1 << (countBits + kindBit[kind]))
    }
  }

  /** Users of a cluster of the window. */
  count(cluster: number): number {
    return this.#cells[cluster - this.#first]! % 2 ** countBits
  }

  /** True when a cluster of the window has uses that exclude each other. */
  overlaps(cluster: number): boolean {
    const cell = this.#cells[cluster - this.#first]!
    const kinds = cell >>> countBits
    const isShared = cell % 2 ** countBits > 1
    return ((kinds & 1) !== 0 && isShared) || (kinds & 6) === 6
  }
}
