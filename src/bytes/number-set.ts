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
    for (let at = start; at < end; ) {
      const index = floorDivide(at, pieceLength)
      const stop = Math.min(end, (index + 1) * pieceLength)
      const piece = this.#pieces.get(index)
      if (piece !== undefined && hasBits(piece.words, at - index * pieceLength, stop - index * pieceLength)) return true
      at = stop
    }
    return false
  }

  copy(): NumberSet {
    const copy = new NumberSet()
    for (const [index, { words, count }] of this.#pieces) copy.#pieces.set(index, { words: words.slice(), count })
    copy.count = this.count
    return copy
  }

  /** List the runs of numbers that follow one another, in order, half-open. */
  *runs(): Generator<readonly [start: number, end: number]> {
    let [from, to] = [0, 0]
    for (const index of [...this.#pieces.keys()].sort((a, b) => a - b)) {
      const { words } = this.#pieces.get(index)!
      for (const [start, end] of runsOf(words)) {
        const at = index * pieceLength + start
        if (at !== to) {
          if (to > from) yield [from, to]
          from = at
        }
        to = index * pieceLength + end
      }
    }
    if (to > from) yield [from, to]
  }

  #change(start: number, end: number, isMember: boolean): number {
    let changed = 0
    for (let at = start; at < end; ) {
      const index = floorDivide(at, pieceLength)
      const stop = Math.min(end, (index + 1) * pieceLength)
      const piece = isMember ? this.#pieceAt(index) : this.#pieces.get(index)
      if (piece !== undefined) {
        const count = changeBits(piece.words, at - index * pieceLength, stop - index * pieceLength, isMember)
        piece.count += isMember ? count : -count
        if (piece.count === 0) this.#pieces.delete(index)
        changed += count
      }
      at = stop
    }
    this.count += isMember ? changed : -changed
    return changed
  }

  #pieceAt(index: number): Piece {
    const known = this.#pieces.get(index)
    if (known !== undefined) return known
    const piece = { words: new Int32Array(pieceLength / 32), count: 0 }
    this.#pieces.set(index, piece)
    return piece
  }
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

function* runsOf(words: Int32Array): Generator<readonly [start: number, end: number]> {
  for (let index = 0; index < words.length; index++) {
    for (let word = words[index]!; word !== 0; ) {
      const start = lowestSetBit(word)
      const rest = ~(word >> start)
      const length = rest === 0 ? 32 - start : Math.min(32 - start, lowestSetBit(rest))
      yield [index * 32 + start, index * 32 + start + length]
      if (start + length === 32) break
      word &= -1 << (start + length)
    }
  }
}
