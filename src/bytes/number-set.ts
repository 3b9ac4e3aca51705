import { floorDivide } from './align.js'
import { lowestSetBit, popCount } from './bitmap.js'

/** Numbers in one piece: 4 KiB of bits. */
const pieceLength = 2 ** 15

/** Words of a piece, and how many of its bits are set. */
interface Piece {
  readonly words: Int32Array
  count: number
}

/**
 * A set of whole numbers from 0 to the safe integers, as bitmaps of pieces that have a member. Memory follows the
 * stretches that have members: numbers that lie close together take a bit each.
 */
export class NumberSet {
  /** How many numbers are in the set. */
  count = 0
  readonly #pieces = new Map<number, Piece>()

  /** Pieces of 4 KiB that the set holds in memory. */
  get pieceCount(): number {
    return this.#pieces.size
  }

  has(number: number): boolean {
    return this.hasAny(number, number + 1)
  }

  /** Add the numbers from `start` to `end`, half-open. @returns  how many of them are new */
  add(start: number, end: number = start + 1): number {
    return this.#change(start, end, true)
  }

  /** Remove the numbers from `start` to `end`, half-open. @returns  how many of them were in the set */
  remove(start: number, end: number = start + 1): number {
    return this.#change(start, end, false)
  }

  /** True when a number from `start` to `end`, half-open, is in the set. */
  hasAny(start: number, end: number): boolean {
    if (this.#isWide(start, end)) return this.#indexes(start, end).some((index) => this.#hasIn(index, start, end))
    for (let index = floorDivide(start, pieceLength); index * pieceLength < end; index++) {
      if (this.#hasIn(index, start, end)) return true
    }
    return false
  }

  copy(): NumberSet {
    const copy = new NumberSet()
    for (const [index, { words, count }] of this.#pieces) copy.#pieces.set(index, { words: words.slice(), count })
    copy.count = this.count
    return copy
  }

  /** List the runs of members that follow one another, in order, half-open; only what is from `start` to `end`. */
  *runs(start = 0, end = Number.MAX_SAFE_INTEGER): Generator<readonly [start: number, end: number]> {
    let [from, to] = [0, 0]
    for (const index of this.#indexes(start, end)) {
      const words = this.#pieces.get(index)?.words
      if (words === undefined) continue
      const base = index * pieceLength
      for (const [first, last] of runsOf(words, Math.max(0, start - base), Math.min(pieceLength, end - base))) {
        if (base + first !== to) {
          if (to > from) yield [from, to]
          from = base + first
        }
        to = base + last
      }
    }
    if (to > from) yield [from, to]
  }

  #change(start: number, end: number, isMember: boolean): number {
    let changed = 0
    for (const index of isMember ? everyIndex(start, end) : this.#indexes(start, end)) {
      const piece = isMember ? this.#pieceAt(index) : this.#pieces.get(index)
      if (piece === undefined) continue
      const base = index * pieceLength
      const [from, to] = [Math.max(0, start - base), Math.min(pieceLength, end - base)]
      const count = changeBits(piece.words, from, to, isMember)
      piece.count += isMember ? count : -count
      if (piece.count === 0) this.#pieces.delete(index)
      changed += count
    }
    this.count += isMember ? changed : -changed
    return changed
  }

  #hasIn(index: number, start: number, end: number): boolean {
    const words = this.#pieces.get(index)?.words
    if (words === undefined) return false
    const base = index * pieceLength
    return hasBits(words, Math.max(0, start - base), Math.min(pieceLength, end - base))
  }

  /** The range has more pieces than the set: a range can span a disk of petabytes. */
  #isWide(start: number, end: number): boolean {
    return end - start > (this.#pieces.size + 1) * pieceLength
  }

  /** List the pieces of a range in order, without most of those that the set does not have. */
  #indexes(start: number, end: number): number[] {
    if (!this.#isWide(start, end)) return everyIndex(start, end)
    const isInside = (index: number) => (index + 1) * pieceLength > start && index * pieceLength < end
    return [...this.#pieces.keys()].filter(isInside).sort((a, b) => a - b)
  }

  #pieceAt(index: number): Piece {
    const known = this.#pieces.get(index)
    if (known !== undefined) return known
    const piece = { words: new Int32Array(pieceLength / 32), count: 0 }
    this.#pieces.set(index, piece)
    return piece
  }
}

function everyIndex(start: number, end: number): number[] {
  if (start >= end) return []
  const first = floorDivide(start, pieceLength)
  return Array.from({ length: floorDivide(end - 1, pieceLength) - first + 1 }, (_, i) => first + i)
}

/** The bits of word `index` that lie between `start` and `end`. */
function maskOf(index: number, start: number, end: number): number {
  const from = start > index * 32 ? -1 << (start % 32) : -1
  return end < (index + 1) * 32 ? from & ~(-1 << (end % 32)) : from
}

function hasBits(words: Int32Array, start: number, end: number): boolean {
  for (let index = start >>> 5; index * 32 < end; index++) {
    if ((words[index]! & maskOf(index, start, end)) !== 0) return true
  }
  return false
}

/** Set or clear bits. @returns  how many were not so before */
function changeBits(words: Int32Array, start: number, end: number, isSet: boolean): number {
  let count = 0
  for (let index = start >>> 5; index * 32 < end; index++) {
    const before = words[index]!
    const mask = maskOf(index, start, end)
    const after = isSet ? before | mask : before & ~mask
    if (after === before) continue
    count += popCount(before ^ after)
    words[index] = after
  }
  return count
}

function* runsOf(words: Int32Array, from: number, to: number): Generator<readonly [start: number, end: number]> {
  for (let index = from >>> 5; index * 32 < to; index++) {
    for (let word = words[index]! & maskOf(index, from, to); word !== 0; ) {
      const start = lowestSetBit(word)
      const rest = ~(word >> start)
      const length = rest === 0 ? 32 - start : Math.min(32 - start, lowestSetBit(rest))
      yield [index * 32 + start, index * 32 + start + length]
      if (start + length === 32) break
      word &= -1 << (start + length)
    }
  }
}
