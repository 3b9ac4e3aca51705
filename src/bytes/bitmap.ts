import { ceilTo, floorDivide, floorTo } from './align.js'
import { allocate, compareBytes } from './fast.js'
import { viewOf } from './struct.js'

// Bit i is bit i of the byte stream, least significant bit first in each byte.  Source: Linux
// arch/um/drivers/ubd_kern.c, which indexes the bitmap by bytes.  The code below reads words little-endian, so that
// bit i of a word is bit i of the stream.

const skipBytes = 4096
const wordsInSkip = skipBytes / 4
const allClear = allocate(skipBytes)
const allSet = allocate(skipBytes).fill(0xff)

const hostIsLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** View a bitmap as words of 32 bits, or copy it where a view is impossible. Bits past its end are clear. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const isWhole = bytes.length % 4 === 0 && bytes.byteOffset % 4 === 0
  if (isWhole && hostIsLittleEndian) return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const padded = new Uint8Array(ceilTo(bytes.length, 4))
  padded.set(bytes)
  const view = viewOf(padded)
  const words = new Int32Array(padded.length / 4)
  for (let i = 0; i < words.length; i++) words[i] = view.getInt32(i * 4, true)
  return words
}

/** True when `bytes` holds a whole stretch at `offset`, and it equals `pattern`. */
function isStretch(bytes: Uint8Array, offset: number, pattern: Uint8Array): boolean {
  const end = offset + skipBytes
  return end <= bytes.length && compareBytes(bytes, offset, end, pattern, 0, skipBytes) === 0
}

/** Find the lowest set bit of `word`, which must not be 0. */
export function lowestSetBit(word: number): number {
  return 31 - Math.clz32(word & -word)
}

/**
 * Find the first bit at or after `from` whose value is `set`; `end` when there is none before it.
 *
 * One comparison skips a stretch of 4 KiB without a change. The rest is a walk over words of 32 bits.
 */
function nextBit(bytes: Uint8Array, words: Int32Array, from: number, end: number, set: boolean): number {
  if (from >= end) return end
  const boringWord = set ? 0 : -1
  const boring = set ? allClear : allSet
  const lastWord = (end - 1 - ((end - 1) % 32)) / 32
  const bitInWord = from % 32
  let index = (from - bitInWord) / 32
  // Ignore the bits below `from` in the first word.
  let word = ((words[index]! ^ boringWord) >>> bitInWord) << bitInWord
  while (word === 0) {
    index++
    for (;;) {
      while (index <= lastWord && index % wordsInSkip !== 0 && words[index] === boringWord) index++
      if (index % wordsInSkip !== 0 || !isStretch(bytes, index * 4, boring)) break
      index += wordsInSkip
    }
    if (index > lastWord) return end
    word = words[index]! ^ boringWord
  }
  return Math.min(end, index * 32 + lowestSetBit(word))
}

/**
 * Call `visit` for each maximal run of set bits among bits `from` to `end` of `bytes`, in order, half-open.
 *
 * `visit` may return false to stop.
 *
 * @returns the bit where the next search would start; `end` when the walk is complete
 */
export function forEachSetRun(
  bytes: Uint8Array,
  from: number,
  end: number,
  visit: (start: number, end: number) => boolean | undefined,
): number {
  const words = wordsOf(bytes)
  let at = from
  while (at < end) {
    const start = nextBit(bytes, words, at, end, true)
    if (start >= end) return end
    at = nextBit(bytes, words, start, end, false)
    if (visit(start, at) === false) return at
  }
  return end
}

/** Count the set bits of a word. */
export function popCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** For each group length: a word with a set bit where each group starts. */
const groupStarts = { 1: -1, 2: 0x55555555, 4: 0x11111111, 8: 0x01010101 } as const

/** How many bits make a group. A group starts at a multiple of its length. */
export type GroupLength = keyof typeof groupStarts

/** Set the first bit of each group in which any bit is set, and clear the others. */
function foldGroups(word: number, length: GroupLength): number {
  let folded = word
  for (let shift = 1; shift < length; shift *= 2) folded |= folded >>> shift
  return folded & groupStarts[length]
}

/** Count the groups of `groupLength` bits that have a set bit, among the first `end` bits of `bytes`. */
export function countSetBits(bytes: Uint8Array, end: number, groupLength: GroupLength = 1): number {
  const words = wordsOf(bytes)
  const wholeWords = (end - (end % 32)) / 32
  let count = 0
  for (let wordIndex = 0; wordIndex < wholeWords; wordIndex++) {
    const offset = wordIndex * 4
    const word = words[wordIndex]!
    if (offset % skipBytes === 0 && wordIndex + wordsInSkip <= wholeWords && (word === 0 || word === -1)) {
      const boring = word === 0 ? allClear : allSet
      if (isStretch(bytes, offset, boring)) {
        if (word !== 0) count += (skipBytes * 8) / groupLength
        wordIndex += wordsInSkip - 1
        continue
      }
    }
    if (word !== 0) count += popCount(foldGroups(word, groupLength))
  }
  const rest = end % 32
  return rest === 0 ? count : count + popCount(foldGroups(words[wholeWords]! & (2 ** rest - 1), groupLength))
}

/** Set bits `from` to `end` of `bytes`. */
export function setBits(bytes: Uint8Array, from: number, end: number): void {
  let at = from
  for (; at < end && at % 8 !== 0; at++) bytes[floorDivide(at, 8)]! |= 1 << (at % 8)
  const wholeEnd = floorTo(end, 8)
  if (at < wholeEnd) {
    bytes.fill(0xff, at / 8, wholeEnd / 8)
    at = wholeEnd
  }
  for (; at < end; at++) bytes[floorDivide(at, 8)]! |= 1 << (at % 8)
}

/** Clear bits `from` to `end` of `bytes`. */
export function clearBits(bytes: Uint8Array, from: number, end: number): void {
  let at = from
  for (; at < end && at % 8 !== 0; at++) bytes[floorDivide(at, 8)]! &= ~(1 << (at % 8))
  const wholeEnd = floorTo(end, 8)
  if (at < wholeEnd) {
    bytes.fill(0, at / 8, wholeEnd / 8)
    at = wholeEnd
  }
  for (; at < end; at++) bytes[floorDivide(at, 8)]! &= ~(1 << (at % 8))
}
