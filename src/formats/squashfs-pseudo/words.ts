import { allocate, copyOf } from '../../bytes/fast.js'
import { backslash, isBlank, quote } from './layout.js'

/** Reads the words of a line, one after another. */
export class Words {
  private readonly line: Uint8Array
  private at: number

  /** @param from  where the words begin */
  constructor(line: Uint8Array, from = 0) {
    this.line = line
    this.at = from
    this.skipBlanks()
  }

  isEmpty(): boolean {
    return this.at >= this.line.length
  }

  /** Get the rest of the line unchanged. */
  rest(): Uint8Array {
    const rest = copyOf(this.line.subarray(this.at))
    this.at = this.line.length
    return rest
  }

  next(): Uint8Array {
    const start = this.at
    while (!this.isEmpty() && !isBlank(this.line[this.at])) this.at++
    const word = this.line.subarray(start, this.at)
    this.skipBlanks()
    return word
  }

  /**
   * Read a word that may hold quoted parts and escaped bytes.
   *
   * @returns null when a quote has no end, or a backslash has nothing after it
   */
  name(): Uint8Array | null {
    const out = allocate(this.line.length - this.at)
    let [length, isQuoted] = [0, false]
    for (; !this.isEmpty(); this.at++) {
      const byte = this.line[this.at]!
      if (isBlank(byte) && !isQuoted) break
      if (byte === quote) {
        isQuoted = !isQuoted
        continue
      }
      if (byte === backslash) this.at++
      if (this.isEmpty()) return null
      out[length++] = this.line[this.at]!
    }
    if (isQuoted) return null
    this.skipBlanks()
    return out.subarray(0, length)
  }

  private skipBlanks(): void {
    while (isBlank(this.line[this.at])) this.at++
  }
}
