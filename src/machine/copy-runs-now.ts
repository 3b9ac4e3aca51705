import { isZero, zeroBlockSize } from '../bytes/zeros.js'
import type { CopyRuns } from '../engine/step.js'
import { isSyncStore, readPaddedNow, writeExactNow } from '../stores/block-store.js'

/** Copy this many runs between two looks at the clock. On a slow disk, each run may take milliseconds. */
const runsPerLook = 4

/**
 * Copy runs synchronously.
 *
 * An object or a generator for each run would cost more than all else but its two system calls. A run that holds a
 * block of zeros is left to a transfer.
 *
 * @param first     run to begin with
 * @param deadline  on the clock of `performance.now()`
 * @returns         the next run: the deadline has passed, the run holds zeros, or a store is not synchronous
 */
export function copyRunsNow(runs: CopyRuns, first: number, deadline: number): number {
  const { from, fromOffset, to, starts, ends, count, buffer } = runs
  if (!isSyncStore(from) || !isSyncStore(to)) return first
  let bytes = buffer
  for (let i = first; i < count; i++) {
    if (i % runsPerLook === 0 && i > first && performance.now() >= deadline) return i
    const start = starts[i]!
    const length = ends[i]! - start
    // Every run goes through the first bytes of the buffer, which the processor's nearest cache keeps.
    if (bytes.length !== length) bytes = buffer.subarray(0, length)
    readPaddedNow(from, fromOffset + start, bytes)
    if (hasZeroBlock(bytes, start % zeroBlockSize)) return i
    writeExactNow(to, start, bytes)
  }
  return count
}

/** @param offsetInBlock  where the bytes begin in a block of the target */
function hasZeroBlock(bytes: Uint8Array, offsetInBlock: number): boolean {
  let end = Math.min(bytes.length, zeroBlockSize - offsetInBlock)
  for (let at = 0; at < bytes.length; ) {
    // Looking at three bytes costs less than comparing a block, and data seldom has zeros at all three.
    const mayBeZeros = bytes[at] === 0 && bytes[end - 1] === 0 && bytes[Math.floor((at + end) / 2)] === 0
    if (mayBeZeros && isZero(bytes.subarray(at, end))) return true
    at = end
    end = Math.min(bytes.length, at + zeroBlockSize)
  }
  return false
}
