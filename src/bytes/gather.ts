import { allocateUnsafe, writeZeros } from './fast.js'

const pieceSize = 256 * 1024

/**
 * Joins bytes into pieces of 256 KiB, so that a million headers take few writes. A caller can write into the memory of
 * the piece itself, which saves an array and a copy for each header.
 */
export class Gatherer {
  /** The memory of the present piece. It changes when `reserve` starts a new piece. */
  memory = allocateUnsafe(pieceSize)
  private used = 0
  private ready: Uint8Array[] = []

  /** Reserve the next `length` bytes, which the caller must write. @returns their offset in `memory` */
  reserve(length: number): number {
    if (this.used + length > this.memory.length) {
      this.finishPiece()
      this.memory = allocateUnsafe(Math.max(pieceSize, length))
    }
    const offset = this.used
    this.used += length
    return offset
  }

  /** Add bytes. It copies all but those that fill a piece alone. */
  add(bytes: Uint8Array): void {
    if (bytes.length < pieceSize) {
      const offset = this.reserve(bytes.length)
      this.memory.set(bytes, offset)
      return
    }
    this.finishPiece()
    this.ready.push(bytes)
  }

  addZeros(length: number): void {
    const offset = this.reserve(length)
    writeZeros(this.memory, offset, offset + length)
  }

  /** Whether there are pieces to take. */
  get hasPieces(): boolean {
    return this.ready.length > 0
  }

  /** Take the pieces that are full. Take them before the memory of added bytes changes. */
  takePieces(): readonly Uint8Array[] {
    const pieces = this.ready
    this.ready = []
    return pieces
  }

  /** Take everything. */
  takeAll(): readonly Uint8Array[] {
    this.finishPiece()
    return this.takePieces()
  }

  private finishPiece(): void {
    if (this.used === 0) return
    this.ready.push(this.memory.subarray(0, this.used))
    // The rest of the memory can still take bytes.
    this.memory = this.memory.subarray(this.used)
    this.used = 0
  }
}

/** Join small pieces into large ones. */
export async function* gatherBytes(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gatherer = new Gatherer()
  for await (const bytes of source) {
    gatherer.add(bytes)
    if (gatherer.hasPieces) yield* gatherer.takePieces()
  }
  yield* gatherer.takeAll()
}
