import { allocate } from './fast.js'

const firstPieceSize = 16 * 1024
const largestPieceSize = 1024 * 1024

/**
 * Small records, one after another in large pieces of memory. An object for each would take a hundred bytes more. The
 * pieces grow, so that a few records take little memory.
 */
export class RecordStore {
  private readonly pieces: Uint8Array[] = []
  private used = firstPieceSize
  private nextSize = firstPieceSize

  /** Store a copy of a record. @returns its place */
  add(record: Uint8Array): number {
    if (this.used + record.length > (this.pieces.at(-1)?.length ?? 0)) {
      this.pieces.push(allocate(Math.max(this.nextSize, record.length)))
      this.nextSize = Math.min(2 * this.nextSize, largestPieceSize)
      this.used = 0
    }
    this.pieces.at(-1)!.set(record, this.used)
    const place = (this.pieces.length - 1) * 2 ** 32 + this.used
    this.used += record.length
    return place
  }

  /** View the memory from a place that `add` returned: the record, and the bytes after it. */
  at(place: number): Uint8Array {
    const start = place % 2 ** 32
    return this.pieces[(place - start) / 2 ** 32]!.subarray(start)
  }
}
