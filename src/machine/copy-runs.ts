import { isZero, zeroBlockSize } from '../bytes/zeros.js'
import type { CopyRuns } from '../engine/step.js'
import { isSyncStore, readPaddedNow, writeExactNow } from '../stores/block-store.js'

/** Runs copied between two looks at the clock. On a slow disk each may take milliseconds. */
const runsPerLook = 4

/**
 * Copy runs at once, without an object or a generator for each: most of what a run costs beyond its two system calls.
 * Runs that hold a block of zeros are left to transfers.
 *
 * @param first     run to begin with
 * @param deadline  as `performance.now()` tells
 * @returns         the run to go on with: the deadline has passed, or it holds zeros, or the stores are not for this
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

/** @param offsetInBlock  where in a block of the target the bytes begin */
function hasZeroBlock(bytes: Uint8Array, offsetInBlock: number): boolean {
  let end = Math.min(bytes.length, zeroBlockSize - offsetInBlock)
  for (let at = 0; at < bytes.length; ) {
    // To compare a block costs more than to look at three of its bytes, and data seldom has zeros at all of them.
    const mayBeZeros = bytes[at] === 0 && bytes[end - 1] === 0 && bytes[Math.floor((at + end) / 2)] === 0
    if (mayBeZeros && isZero(bytes.subarray(at, end))) return true
    at = end
    end = Math.min(bytes.length, at + zeroBlockSize)
  }
  return false
}
