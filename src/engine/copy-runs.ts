import { floorTo } from '../bytes/align.js'
import { forEachDataStretch, isZero, zeroBlockSize } from '../bytes/zeros.js'
import { isSyncStore, readPaddedNow, writeExactNow } from '../stores/block-store.js'
import type { CopyRuns, Transfer, Transfers } from './step.js'

/** Runs copied between two looks at the clock. On a slow disk each may take milliseconds. */
const runsPerLook = 4

/**
 * Copy runs at once, without an object or a generator for each: most of what a run costs beyond its two system calls.
 * Runs that hold a block of zeros are left to `copyRun`.
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

/** Copy one run by transfers: it is written without a look at the target, but for its zeros, where a hole may be. */
export function* copyRun(runs: CopyRuns, index: number): Transfers {
  const { from, fromOffset, to, buffer, present } = runs
  const start = runs.starts[index]!
  const end = runs.ends[index]!
  const base = floorTo(start, zeroBlockSize)
  const step: Transfer = { kind: 'read', store: from, offset: fromOffset + start, bytes: buffer, position: start }
  step.bytes = buffer.subarray(start - base, end - base)
  yield step
  buffer.fill(0, 0, start - base)
  const stretches: number[] = []
  forEachDataStretch(buffer, end - base, (from, to) => stretches.push(Math.max(start, base + from), base + to))
  let at = start
  for (let i = 0; i <= stretches.length; i += 2) {
    const zerosEnd = stretches[i] ?? end
    if (at < zerosEnd) yield* writeZeros(step, to, present.subarray(0, zerosEnd - at), at)
    const dataEnd = stretches[i + 1]
    if (dataEnd === undefined) return
    yield write(step, to, zerosEnd, buffer.subarray(zerosEnd - base, dataEnd - base))
    at = dataEnd
  }
}

/** @param present  as long as the zeros; gets what is there */
function* writeZeros(step: Transfer, to: Transfer['store'], present: Uint8Array, at: number): Transfers {
  step.kind = 'read'
  step.store = to
  step.offset = at
  step.bytes = present
  yield step
  // Only the blocks that hold something: the others may be holes. The first may begin in the middle of a block.
  const blockEnd = Math.min(present.length, zeroBlockSize - (at % zeroBlockSize))
  if (!isZero(present.subarray(0, blockEnd))) yield write(step, to, at, present.subarray(0, blockEnd).fill(0))
  const rest = present.subarray(blockEnd)
  const stretches: number[] = []
  forEachDataStretch(rest, rest.length, (from, end) => stretches.push(from, end))
  for (let i = 0; i < stretches.length; i += 2) {
    const [from, end] = [stretches[i]!, stretches[i + 1]!]
    yield write(step, to, at + blockEnd + from, rest.subarray(from, end).fill(0))
  }
}

function write(step: Transfer, to: Transfer['store'], offset: number, bytes: Uint8Array): Transfer {
  step.kind = 'write'
  step.store = to
  step.offset = offset
  step.bytes = bytes
  return step
}
