// Whether an image is the one that a merge has to give.
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const compareLength = 1024 * 1024
const defaultWholeLimit = 4 * 2 ** 30

/**
 * True when an image holds what the pair gives. One above the limit is compared where either layer has data, and has to
 * have the right size: reading hundreds of GiB of holes would take longer than the benchmark.
 */
export function isMerged(file, pair, wholeLimit = defaultWholeLimit) {
  if (statSync(file).size !== pair.virtualSize) return false
  return withBoth(file, pair.merged, (both) => {
    if (pair.virtualSize <= wholeLimit) return isSameRun(both, 0, pair.virtualSize)
    for (const runs of [pair.backingRuns(), pair.overlayRuns()]) {
      for (const { start, end } of runs) if (!isSameRun(both, start, end)) return false
    }
    return true
  })
}

/** True when a run of the image is what it has to be: enough to see that a merge was made at all. */
export function hasMergedRun(file, pair, { start, end }) {
  return withBoth(file, pair.merged, (both) => isSameRun(both, start, end))
}

function withBoth(a, b, work) {
  const files = [openSync(a, 'r'), openSync(b, 'r')]
  const buffers = files.map(() => Buffer.allocUnsafe(compareLength))
  try {
    return work({ files, buffers })
  } finally {
    for (const file of files) closeSync(file)
  }
}

function isSameRun({ files, buffers }, start, end) {
  for (let at = start; at < end; at += compareLength) {
    const length = Math.min(compareLength, end - at)
    const [left, right] = files.map((file, i) => {
      const bytes = buffers[i].subarray(0, length)
      return bytes.subarray(0, readFully(file, bytes, at))
    })
    if (left.length !== length || !left.equals(right)) return false
  }
  return true
}

/** @returns bytes read: fewer than asked for at the end of the file */
export function readFully(file, buffer, offset) {
  let length = 0
  for (let count = -1; count !== 0 && length < buffer.length; length += count) {
    count = readSync(file, buffer, length, buffer.length - length, offset + length)
  }
  return length
}
