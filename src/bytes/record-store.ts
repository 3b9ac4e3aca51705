const pieceSize = 1024 * 1024

/** Small records one after another in large pieces of memory: a Buffer for each would take a hundred bytes more. */
export class RecordStore {
  private readonly pieces: Buffer[] = []
  private used = pieceSize

  /** Keeps a copy. @returns where it is */
  add(record: Uint8Array): number {
    if (this.used + record.length > (this.pieces.at(-1)?.length ?? 0)) {
      this.pieces.push(Buffer.alloc(Math.max(pieceSize, record.length)))
      this.used = 0
    }
    this.pieces.at(-1)!.set(record, this.used)
    const place = (this.pieces.length - 1) * 2 ** 32 + this.used
    this.used += record.length
    return place
  }

  /** The memory from a place of `add` on: a record and what comes after it. */
  at(place: number): Buffer {
    const start = place % 2 ** 32
    return this.pieces[(place - start) / 2 ** 32]!.subarray(start)
  }
}
