import type { GatheringWriter } from '../../stores/gathering-writer.js'
import type { HostSpace } from './host-space.js'

/**
 * Packs compressed clusters of a new image one behind the other. A cluster of the file then has several users, and each
 * counts. Users are counted by whole sectors of 512 bytes, as L2 entries tell lengths.
 */
export class PackedClusters {
  readonly #out: GatheringWriter
  readonly #space: HostSpace
  readonly #clusterSize: number
  /** Where the next bytes go, and where the clusters for them end; equal when there is no room. */
  #at = 0
  #limit = 0
  /** Users of the last cluster that has any, and its number. */
  #users = 0
  #last = -1

  constructor(out: GatheringWriter, space: HostSpace, clusterSize: number) {
    this.#out = out
    this.#space = space
    this.#clusterSize = clusterSize
  }

  /** Store a compressed cluster. @returns its offset */
  add(bytes: Uint8Array): number {
    this.#makeRoom(bytes.length)
    const offset = this.#at
    this.#at += bytes.length
    this.#countUsers(offset, this.#at)
    this.#out.put(offset, bytes)
    return offset
  }

  #makeRoom(length: number): void {
    // Refcounts that are written do not change: a cluster whose block is complete gets no more users.
    if (this.#at < this.#space.firstOpenCluster * this.#clusterSize) this.#at = this.#limit
    if (this.#at + length <= this.#limit) return
    const goesOn = this.#limit === this.#space.end && this.#at < this.#limit
    if (!goesOn) {
      this.#at = this.#space.end
      this.#limit = this.#at
    }
    this.#space.allocate(Math.ceil((this.#at + length - this.#limit) / this.#clusterSize))
    this.#limit = this.#space.end
  }

  #countUsers(offset: number, end: number): void {
    const first = Math.floor(offset / this.#clusterSize)
    const last = Math.floor((end - 1) / this.#clusterSize)
    for (let cluster = first; cluster <= last; cluster++) {
      this.#users = cluster === this.#last ? this.#users + 1 : 1
      this.#last = cluster
      if (this.#users > 1) this.#space.setUsers(cluster, this.#users)
    }
  }
}
