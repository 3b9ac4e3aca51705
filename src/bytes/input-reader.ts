import { concatBytes, copyOf, indexOfByte } from './fast.js'
import { isZero } from './zeros.js'

const nothing = new Uint8Array(0)

/**
 * Pieces of bytes, however they are cut, read by length or by line. It holds what was asked for and the piece that it
 * was cut from, no more: a limit on what is asked for is a limit on memory.
 */
export class InputReader {
  /** Bytes that were handed out. */
  offset = 0
  /** The line that was read last has no newline: the end of the input may have been cut off. */
  isLineCut = false
  private readonly pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  private held: Uint8Array = nothing
  private ended = false

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** Makes `held` non-empty, false at the end of the input. */
  private async fill(): Promise<boolean> {
    while (this.held.length === 0 && !this.ended) {
      const next = await this.pieces.next()
      if (next.done) this.ended = true
      else this.held = next.value
    }
    return this.held.length > 0
  }

  private cut(length: number): Uint8Array {
    const bytes = this.held.subarray(0, length)
    this.held = this.held.subarray(length)
    this.offset += bytes.length
    return bytes
  }

  /** The next bytes as they come, at most `limit` of them; empty at the end of the input only. */
  async some(limit: number): Promise<Uint8Array> {
    return limit > 0 && (await this.fill()) ? this.cut(limit) : nothing
  }

  /** The next `length` bytes, fewer only at the end of the input. */
  async upTo(length: number): Promise<Uint8Array> {
    const first = await this.some(length)
    if (first.length === length) return first
    // Copies, for a source may use its memory again once it is asked for more.
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

  /** Passes over `length` bytes. Returns how many of them there were. */
  async skip(length: number): Promise<number> {
    let got = 0
    while (got < length) {
      const part = await this.some(length - got)
      if (part.length === 0) break
      got += part.length
    }
    return got
  }

  /** Passes over all that is left, so that its writer is not cut off. Returns whether there were but zeros. */
  async skipRest(): Promise<boolean> {
    let isAllZero = true
    while (await this.fill()) isAllZero = isZero(this.cut(this.held.length)) && isAllZero
    return isAllZero
  }

  /**
   * The next line without its newline, null at the end of the input. The last one may lack a newline.
   *
   * @returns 'long' when there are more than `limit` bytes before the newline
   */
  async line(limit: number): Promise<Uint8Array | null | 'long'> {
    const parts: Uint8Array[] = []
    let got = 0
    while (await this.fill()) {
      const newline = indexOfByte(this.held, 0x0a)
      const part = this.cut(newline < 0 ? this.held.length : newline)
      got += part.length
      if (got > limit) return 'long'
      if (newline >= 0) this.cut(1)
      if (newline >= 0 && parts.length === 0) return part
      parts.push(copyOf(part))
      if (newline >= 0) return concatBytes(parts, got)
    }
    this.isLineCut = parts.length > 0
    return parts.length === 0 ? null : concatBytes(parts, got)
  }

  /** To be called when reading ends early, so that the source can let go of its file. */
  async close(): Promise<void> {
    if (this.ended) return
    this.ended = true
    await this.pieces.return?.()
  }
}
