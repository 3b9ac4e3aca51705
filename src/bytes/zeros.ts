import { allocate, compareBytes } from './fast.js'

/** The unit of comparison, and of zeros that become holes: the page and block size of common hosts, bytes. */
export const zeroBlockSize = 4096

/** Bytes compared at a time where most are probably zeros: 68 GB/s, against 42 with blocks of 4 KiB. */
const stretchSize = 64 * 1024

const zeros = allocate(stretchSize)

/** @param end  at most `stretchSize` after `start` */
function isZeroBetween(bytes: Uint8Array, start: number, end: number): boolean {
  return compareBytes(bytes, start, end, zeros, 0, end - start) === 0
}

/** Measure the blocks of zeros at the start of `bytes`: all of it, or a multiple of `zeroBlockSize`. */
export function leadingZeros(bytes: Uint8Array): number {
  let at = 0
  for (const size of [stretchSize, zeroBlockSize]) {
    while (at < bytes.length) {
      const end = Math.min(at + size, bytes.length)
      if (!isZeroBetween(bytes, at, end)) break
      at = end
    }
  }
  return at
}

/** True when `bytes` holds only zeros from `start` to `end`: by default everywhere. */
export function isZero(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  for (let at = start; at < end; at += stretchSize) {
    if (!isZeroBetween(bytes, at, Math.min(at + stretchSize, end))) return false
  }
  return true
}

/**
 * Call `visit` for each stretch of blocks with data among the first `length` bytes. A block of zeros has none.
 *
 * `bytes` must start on a block boundary of its file. The last block may be short.
 */
export function forEachDataStretch(
  bytes: Uint8Array,
  length: number,
  visit: (start: number, end: number) => void,
): void {
  let dataStart = -1
  for (let at = 0; at < length; at += zeroBlockSize) {
    const end = Math.min(at + zeroBlockSize, length)
    // Looking at three bytes costs less than a call, and data seldom has zeros at all three.
    const mayBeZero = bytes[at] === 0 && bytes[end - 1] === 0 && bytes[Math.floor((at + end) / 2)] === 0
    const zero = mayBeZero && isZeroBetween(bytes, at, end)
    if (zero && dataStart >= 0) {
      visit(dataStart, at)
      dataStart = -1
    } else if (!zero && dataStart < 0) {
      dataStart = at
    }
  }
  if (dataStart >= 0) visit(dataStart, length)
}
