import { zeroBlockSize } from '../bytes/zeros.js'

/** Bytes moved at a time. Larger windows gained nothing in measurements; this one stays in the processor's cache. */
export const defaultWindowSize = 256 * 1024

/** The most bytes that umlcow can move at a time. */
export const largestWindowSize = 16 * 1024 * 1024

/** True for a multiple of 4 KiB from 4 KiB to 16 MiB. */
export function isWindowSize(size: number): boolean {
  return Number.isInteger(size) && size >= zeroBlockSize && size <= largestWindowSize && size % zeroBlockSize === 0
}

/** @throws RangeError unless `size` is a window size or undefined */
export function assertWindowSize(size: number | undefined): void {
  if (size === undefined || isWindowSize(size)) return
  throw new RangeError(`bufferSize: expected a multiple of 4096 from 4096 to ${largestWindowSize}, got ${size}`)
}
