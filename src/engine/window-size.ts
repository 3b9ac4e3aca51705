import { zeroBlockSize } from '../bytes/zeros.js'

/** Bytes moved at a time. Larger ones gained nothing in measurements, and this much stays in the processor's cache. */
export const defaultWindowSize = 256 * 1024

/** The most bytes that can be. */
export const largestWindowSize = 16 * 1024 * 1024

/** Whether so many bytes can be moved at a time: a multiple of 4 KiB from 4 KiB to 16 MiB. */
export function isWindowSize(size: number): boolean {
  return Number.isInteger(size) && size >= zeroBlockSize && size <= largestWindowSize && size % zeroBlockSize === 0
}

/** @throws RangeError */
export function assertWindowSize(size: number | undefined): void {
  if (size === undefined || isWindowSize(size)) return
  throw new RangeError(`bufferSize: expected a multiple of 4096 from 4096 to ${largestWindowSize}, got ${size}`)
}
