import { allocate } from './fast.js'

const pieceSize = 1024 * 1024

/** Small records one after another in large pieces of memory: an object for each would take a hundred bytes more. */
export class RecordStore {
  private readonly pieces: Uint8Array[] = []
  private used = pieceSize

  /** Keeps a copy. @returns where it is */
  add(record: Uint8Array): number {
    if (this.used + record.length > (this.pieces.at(-1)?.length ?? 0)) {
      this.pieces.push(allocate(Math.max(pieceSize, record.length)))
      this.used = 0
    }
    this.pieces.at(-1)!.set(record, this.used)
    const place = (this.pieces.length - 1) * 2 ** 32 + this.used
    this.used += record.length
    return place
  }

  /** The memory from a place of `add` on: a record and what comes after it. */
  at(place: number): Uint8Array {
    const start = place % 2 ** 32
    return this.pieces[(place - start) / 2 ** 32]!.subarray(start)
  }
}
