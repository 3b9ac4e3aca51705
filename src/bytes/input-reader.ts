import { concatBytes, copyOf, indexOfByte } from './fast.js'
import { isZero } from './zeros.js'

const nothing = new Uint8Array(0)

/** Pieces of an input. */
export type InputPieces = (AsyncIterable<Uint8Array> | Iterable<Uint8Array>) & {
  /**
   * Skips bytes after the last piece without reading them, as a regular file can.
   *
   * @returns how many it has skipped; 0 where the caller must read them
   */
  skip?(length: number): number
}

/** Bytes at once, or a promise of them. To await bytes takes a fraction of the time of a promise. */
type Soon<T> = T | Promise<T>

/**
 * Reads pieces of bytes, of any lengths, by length or by line.
 *
 * It holds only the bytes of the current request and the piece that they come from. A limit on requests is a limit on
 * memory.
 */
export class InputReader {
  /** Bytes that the reader has handed out or skipped. */
  offset = 0
  /** The last line has no newline: the input may lack its end. */
  isLineCut = false
  private readonly pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  private readonly source: InputPieces
  /** The present piece. The bytes from `at` on are still to come. */
  private held: Uint8Array = nothing
  private at = 0
  private ended = false

  constructor(source: InputPieces) {
    this.source = source
    this.pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** How many bytes of the present piece are still to come. */
  private get ready(): number {
    return this.held.length - this.at
  }

  private hold(piece: Uint8Array): void {
    this.held = piece
    this.at = 0
  }

  /** Hand out what is left, piece by piece. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = await this.some(Number.POSITIVE_INFINITY)
      if (piece.length === 0) return
      yield piece
    }
  }

  /** Have bytes ready; false at the end of the input. */
  private async fill(): Promise<boolean> {
    while (this.ready === 0 && !this.ended) {
      const next = await this.pieces.next()
      if (next.done) this.ended = true
      else this.hold(next.value)
    }
    return this.ready > 0
  }

  private cut(length: number): Uint8Array {
    const start = this.at
    return this.held.subarray(start, start + this.pass(length))
  }

  /** Go on by at most `length` bytes of the present piece, and make no array of them. @returns how many it had */
  private pass(length: number): number {
    const count = Math.min(length, this.ready)
    this.at += count
    this.offset += count
    return count
  }

  /** Read the next bytes as they come, at most `limit`. The result is empty only at the end of the input. */
  some(limit: number): Soon<Uint8Array> {
    if (limit <= 0) return nothing
    return this.ready > 0 ? this.cut(limit) : this.someLater(limit)
  }

  private async someLater(limit: number): Promise<Uint8Array> {
    return (await this.fill()) ? this.cut(limit) : nothing
  }

  /** Read the next `length` bytes if the present piece has them all, else null. */
  now(length: number): Uint8Array | null {
    return this.ready >= length ? this.cut(length) : null
  }

  /** Read the next `length` bytes; fewer only at the end of the input. */
  upTo(length: number): Soon<Uint8Array> {
    return this.now(length) ?? this.upToLater(length)
  }

  private async upToLater(length: number): Promise<Uint8Array> {
    const first = await this.some(length)
    if (first.length === length) return first
    // Copy each part: a source may reuse its memory for the next piece.
    const parts = [copyOf(first)]
    let got = first.length
    while (got < length) {
      const part = await this.some(length - got)
      if (part.length === 0) break
      parts.push(copyOf(part))
      got += part.length
    }
    return concatBytes(parts, got)
  }

  /** Look at the next `length` bytes, and leave them to the next call; fewer only at the end of the input. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.ready < length && !this.ended) {
      // Copy them first: a source may reuse its memory for the next piece.
      const before = copyOf(this.held.subarray(this.at))
      this.hold(before)
      const next = await this.pieces.next()
      if (next.done) this.ended = true
      else this.hold(concatBytes([before, next.value]))
    }
    return this.held.subarray(this.at, this.at + length)
  }

  /** Skip zeros, up to the first other byte. @returns whether the input has such a byte */
  async skipZeros(): Promise<boolean> {
    while (await this.fill()) {
      let end = this.at
      while (this.held[end] === 0) end++
      this.pass(end - this.at)
      if (this.ready > 0) return true
    }
    return false
  }

  /** Skip `length` bytes. @returns how many the input had */
  skip(length: number): Soon<number> {
    return this.ready < length ? this.skipLater(length) : this.pass(length)
  }

  private async skipLater(length: number): Promise<number> {
    let got = this.pass(this.ready)
    const skipped = this.ended ? 0 : (this.source.skip?.(length - got) ?? 0)
    this.offset += skipped
    got += skipped
    while (got < length) {
      const part = await this.some(length - got)
      if (part.length === 0) break
      got += part.length
    }
    return got
  }

  /** Skip the rest, so that its writer can finish. @returns whether the rest was all zeros */
  async skipRest(): Promise<boolean> {
    let isAllZero = true
    while (await this.fill()) isAllZero = isZero(this.cut(this.ready)) && isAllZero
    return isAllZero
  }

  /**
   * Read the next line, without its newline. The last line may lack one.
   *
   * @returns null at the end of the input; 'long' when the line has more than `limit` bytes
   */
  async line(limit: number): Promise<Uint8Array | null | 'long'> {
    const parts: Uint8Array[] = []
    let got = 0
    while (await this.fill()) {
      const newline = indexOfByte(this.held, 0x0a, this.at)
      const part = this.cut(newline < 0 ? this.ready : newline - this.at)
      got += part.length
      if (got > limit) return 'long'
      if (newline >= 0) this.pass(1)
      if (newline >= 0 && parts.length === 0) return part
      parts.push(copyOf(part))
      if (newline >= 0) return concatBytes(parts, got)
    }
    this.isLineCut = parts.length > 0
    return parts.length === 0 ? null : concatBytes(parts, got)
  }

  /** Stop reading, so that the source can close its file. Call it when reading ends early. */
  async close(): Promise<void> {
    if (this.ended) return
    this.ended = true
    await this.pieces.return?.()
  }
}
