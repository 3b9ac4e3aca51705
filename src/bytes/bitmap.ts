import { floorDivide, floorTo } from './align.js'
import { viewOf } from './struct.js'
import { asBuffer } from './zeros.js'

// Bit i of the byte stream, least significant bit first in each byte.  Source: Linux arch/um/drivers/ubd_kern.c, which
// indexes the bitmap by bytes.  Words below are read little-endian, so that bit i of a word is bit i of the stream.

const skipBytes = 4096
const allClear = Buffer.alloc(skipBytes)
const allSet = Buffer.alloc(skipBytes, 0xff)

/** The word of 32 bits at bit index `wordIndex * 32`; bits past the end of `bytes` read as clear. */
function wordAt(view: DataView, wordIndex: number): number {
  const offset = wordIndex * 4
  if (offset + 4 <= view.byteLength) return view.getUint32(offset, true)
  let word = 0
  for (let i = view.byteLength - 1; i >= offset; i--) word = word * 256 + view.getUint8(i)
  return word
}

/** True when `bytes` holds a whole stretch at `offset` that equals `pattern`. */
function isStretch(bytes: Buffer, offset: number, pattern: Buffer): boolean {
  const end = offset + skipBytes
  return end <= bytes.length && bytes.compare(pattern, 0, skipBytes, offset, end) === 0
}

/** Number of the lowest bit that is set in `word`; `word` is not 0. */
function lowestSet(word: number): number {
  return 31 - Math.clz32(word & -word)
}

/**
 * Index of the first bit at or after `from` whose value is `set`, or `end` when there is none before it.
 *
 * Stretches of 4 KiB without a change are skipped by one comparison, the rest is walked by words of 32 bits.
 */
function nextBit(bytes: Buffer, view: DataView, from: number, end: number, set: boolean): number {
  const boring = set ? allClear : allSet
  let at = from
  while (at < end) {
    if (at % (skipBytes * 8) === 0) {
      let offset = at / 8
      while (isStretch(bytes, offset, boring)) {
        offset += skipBytes
      }
      at = offset * 8
      if (at >= end) return end
    }
    const bitInWord = at % 32
    const raw = wordAt(view, (at - bitInWord) / 32)
    const word = ((set ? raw : ~raw) >>> bitInWord) << bitInWord
    if (word !== 0) return Math.min(end, at - bitInWord + lowestSet(word))
    at += 32 - bitInWord
  }
  return end
}

/**
 * Calls `visit` for each maximal run of set bits of `bytes` among bits `from` to `end`, in order, half-open.
 *
 * `visit` may return false to stop; the index where the next search would start is returned, `end` when all was seen.
 */
export function forEachSetRun(
  bytes: Uint8Array,
  from: number,
  end: number,
  visit: (start: number, end: number) => boolean | undefined,
): number {
  const buffer = asBuffer(bytes)
  const view = viewOf(buffer)
  let at = from
  while (at < end) {
    const start = nextBit(buffer, view, at, end, true)
    if (start >= end) return end
    at = nextBit(buffer, view, start, end, false)
    if (visit(start, at) === false) return at
  }
  return end
}

function popCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** How many bits of `bytes` are set among the first `end`. */
export function countSetBits(bytes: Uint8Array, end: number): number {
  const buffer = asBuffer(bytes)
  const view = viewOf(buffer)
  const wholeWords = (end - (end % 32)) / 32
  let count = 0
  for (let wordIndex = 0; wordIndex < wholeWords; wordIndex++) {
    const offset = wordIndex * 4
    if (offset % skipBytes === 0 && isStretch(buffer, offset, allClear) && wordIndex + skipBytes / 4 <= wholeWords) {
      wordIndex += skipBytes / 4 - 1
      continue
    }
    count += popCount(wordAt(view, wordIndex))
  }
  const rest = end % 32
  return rest === 0 ? count : count + popCount(wordAt(view, wholeWords) & (2 ** rest - 1))
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
