import { allocateUnsafe } from '../../bytes/fast.js'
import type { StoreWriter } from '../../stores/store-writer.js'
import type { HostSpace } from './host-space.js'

/** Bytes that are collected before they are written. */
const bufferSize = 256 * 1024

/**
 * Packs compressed clusters of a new image one behind the other. A cluster of the file then has several users, and each
 * counts. Users are counted by whole sectors of 512 bytes, as L2 entries tell lengths.
 */
export class PackedClusters {
  readonly #put: StoreWriter
  readonly #space: HostSpace
  readonly #clusterSize: number
  /** Where the next bytes go, and where the clusters for them end; equal when there is no room. */
  #at = 0
  #limit = 0
  /** Users of the last cluster that has any, and its number. */
  #users = 0
  #last = -1
  readonly #buffer = allocateUnsafe(bufferSize)
  #held = 0
  #heldOffset = 0

  constructor(put: StoreWriter, space: HostSpace, clusterSize: number) {
    this.#put = put
    this.#space = space
    this.#clusterSize = clusterSize
  }

  /** Store a compressed cluster. @returns its offset */
  async add(bytes: Uint8Array): Promise<number> {
    this.#makeRoom(bytes.length)
    const offset = this.#at
    this.#at += bytes.length
    this.#countUsers(offset, this.#at)
    if (this.#heldOffset + this.#held !== offset || this.#held + bytes.length > bufferSize) await this.flush()
    if (bytes.length > bufferSize) await this.#put(offset, bytes)
    else {
      if (this.#held === 0) this.#heldOffset = offset
      this.#buffer.set(bytes, this.#held)
      this.#held += bytes.length
    }
    return offset
  }

  /** Write what is in memory. */
  async flush(): Promise<void> {
    if (this.#held > 0) await this.#put(this.#heldOffset, this.#buffer.subarray(0, this.#held))
    this.#held = 0
  }

  /** Start a new cluster for the next bytes: the refcounts of the older ones are about to be written. */
  close(): void {
    this.#at = this.#limit
  }

  #makeRoom(length: number): void {
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
