import { type PrefixCode, prefixCode } from './huffman.js'

// Source: RFC 1951

/** Lengths of a match: its least length for each symbol from 257 on, and the bits that follow and are added. */
const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
/** The same for the distance of a match. */
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
]
const distanceExtra = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]
/** The order in which the lengths of the code for the lengths come. */
const orderOfLengths = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

const endOfBlock = 256

interface Codes {
  readonly literals: PrefixCode
  readonly distances: PrefixCode
}

let fixed: Codes | null = null

/** The codes of a block that brings none. */
function fixedCodes(): Codes {
  if (fixed !== null) return fixed
  const lengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280)
  fixed = { literals: prefixCode(lengths)!, distances: prefixCode(new Uint8Array(32).fill(5))! }
  return fixed
}

/**
 * Unpack raw deflate data until `output` is full. What follows in `input` does not count.
 *
 * @returns true when `output` is full; false when the data is damaged or ends too early. `output` then holds rubbish
 */
export function inflateInto(input: Uint8Array, output: Uint8Array): boolean {
  return new Inflater(input, output).run()
}

class Inflater {
  readonly #input: Uint8Array
  readonly #output: Uint8Array
  #at = 0
  #done = 0
  /** Bits that were taken from the input and not used yet, the next one lowest. */
  #held = 0
  #count = 0

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#input = input
    this.#output = output
  }

  run(): boolean {
    for (let last = 0; last === 0; ) {
      if (this.#done === this.#output.length) return true
      last = this.#take(1)
      const type = this.#take(2)
      if (last < 0 || type < 0 || type === 3) return false
      if (!(type === 0 ? this.#stored() : this.#compressed(type))) return false
    }
    return this.#done === this.#output.length
  }

  /** Take a number of bits, at most 16; -1 at the end of the input. */
  #take(bits: number): number {
    while (this.#count < bits) {
      if (this.#at === this.#input.length) return -1
      this.#held |= this.#input[this.#at++]! << this.#count
      this.#count += 8
    }
    const value = this.#held & ((1 << bits) - 1)
    this.#held >>>= bits
    this.#count -= bits
    return value
  }

  /** Take a symbol; -1 at the end of the input, or when no code begins with the next bits. */
  #symbol({ table, bits }: PrefixCode): number {
    while (this.#count < bits && this.#at < this.#input.length) {
      this.#held |= this.#input[this.#at++]! << this.#count
      this.#count += 8
    }
    const entry = table[this.#held & (table.length - 1)]!
    const length = entry & 15
    if (length === 0 || length > this.#count) return -1
    this.#held >>>= length
    this.#count -= length
    return entry >>> 4
  }

  /** Copy a block that is stored as it is. */
  #stored(): boolean {
    // Whole bytes that were taken too early go back, the rest of the current byte is skipped.
    this.#at -= Math.floor(this.#count / 8)
    this.#held = 0
    this.#count = 0
    const length = this.#take(16)
    const complement = this.#take(16)
    if (length < 0 || complement < 0 || (length ^ complement) !== 0xffff) return false
    const wanted = Math.min(length, this.#output.length - this.#done)
    if (this.#at + wanted > this.#input.length) return false
    this.#output.set(this.#input.subarray(this.#at, this.#at + wanted), this.#done)
    this.#at += wanted
    this.#done += wanted
    return true
  }

  #compressed(type: number): boolean {
    const codes = type === 1 ? fixedCodes() : this.#codes()
    if (codes === null) return false
    const { literals, distances } = codes
    const output = this.#output
    while (this.#done < output.length) {
      const symbol = this.#symbol(literals)
      if (symbol < 0) return false
      if (symbol < endOfBlock) output[this.#done++] = symbol
      else if (symbol === endOfBlock) return true
      else if (!this.#match(symbol - 257, distances)) return false
    }
    return true
  }

  /** Copy earlier output. */
  #match(lengthIndex: number, distances: PrefixCode): boolean {
    const lengthBits = lengthExtra[lengthIndex]
    if (lengthBits === undefined) return false
    const moreLength = this.#take(lengthBits)
    const index = this.#symbol(distances)
    const distanceBits = distanceExtra[index]
    if (moreLength < 0 || distanceBits === undefined) return false
    const moreDistance = this.#take(distanceBits)
    const distance = distanceBase[index]! + moreDistance
    if (moreDistance < 0 || distance > this.#done) return false
    const output = this.#output
    const end = Math.min(this.#done + lengthBase[lengthIndex]! + moreLength, output.length)
    // Byte by byte: a match may overlap its own source.
    for (let at = this.#done; at < end; at++) output[at] = output[at - distance]!
    this.#done = end
    return true
  }

  /** Read the codes at the start of a block; null when they are damaged. */
  #codes(): Codes | null {
    const literalCount = this.#take(5) + 257
    const distanceCount = this.#take(5) + 1
    const lengthCount = this.#take(4) + 4
    const ofLengths = new Uint8Array(19)
    for (let i = 0; i < lengthCount; i++) {
      const length = this.#take(3)
      if (length < 0) return null
      ofLengths[orderOfLengths[i]!] = length
    }
    const code = prefixCode(ofLengths)
    const lengths = code === null ? null : this.#lengths(code, literalCount + distanceCount)
    if (lengths === null) return null
    const literals = prefixCode(lengths.subarray(0, literalCount))
    const distances = prefixCode(lengths.subarray(literalCount))
    return literals === null || distances === null ? null : { literals, distances }
  }

  #lengths(code: PrefixCode, count: number): Uint8Array | null {
    const lengths = new Uint8Array(count)
    for (let at = 0; at < count; ) {
      const symbol = this.#symbol(code)
      if (symbol < 0) return null
      if (symbol < 16) {
        lengths[at++] = symbol
        continue
      }
      // 16 repeats the last length, 17 and 18 are runs of zeros.
      if (symbol === 16 && at === 0) return null
      const value = symbol === 16 ? lengths[at - 1]! : 0
      const more = this.#take(symbol === 16 ? 2 : symbol === 17 ? 3 : 7)
      const end = at + more + (symbol === 18 ? 11 : 3)
      if (more < 0 || end > count) return null
      lengths.fill(value, at, end)
      at = end
    }
    return lengths
  }
}
