import { asBuffer } from '../bytes/zeros.js'
import type { MergeInputs } from './plan-merge.js'
import { planRuns } from './plan-merge.js'
import type { Step, Steps } from './step.js'
import { defaultWindowSize } from './window.js'

/** Bytes of guest data compared at a time from each side. */
const windowSize = defaultWindowSize

/** Filled in by `planCompareRuns`. */
export interface SameSectors {
  /** Allocated sectors whose bytes equal the backing file's. */
  count: number
}

/**
 * Plan to count the allocated sectors that equal the backing file's: they take space and change nothing.
 *
 * Windows that are equal as a whole are counted by one comparison; only others are looked at sector by sector.
 */
export function* planCompareRuns(inputs: MergeInputs, result: SameSectors): Steps {
  const { sectorSize } = inputs.header
  const length = Math.max(windowSize, sectorSize)
  const overlayBytes = Buffer.allocUnsafeSlow(length)
  const backingBytes = Buffer.allocUnsafeSlow(length)
  const step: Step = { kind: 'read', store: inputs.overlay, offset: 0, bytes: overlayBytes, position: 0 }
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (let i = 0; i < item.count; i++) {
      for (let at = item.starts[i]!; at < item.ends[i]!; at += length) {
        const end = Math.min(at + length, item.ends[i]!)
        yield read(step, inputs.overlay, inputs.dataOffset + at, overlayBytes.subarray(0, end - at), at)
        yield read(step, inputs.backing, at, backingBytes.subarray(0, end - at), at)
        result.count += countSame(overlayBytes, backingBytes, end - at, sectorSize)
      }
    }
  }
}

function read(step: Step, store: Step['store'], offset: number, bytes: Buffer, position: number): Step {
  step.store = store
  step.offset = offset
  step.bytes = bytes
  step.position = position
  return step
}

function countSame(a: Uint8Array, b: Uint8Array, length: number, sectorSize: number): number {
  const left = asBuffer(a)
  const same = (from: number, to: number) => left.compare(b, from, to, from, to) === 0
  if (same(0, length)) return Math.ceil(length / sectorSize)
  let count = 0
  for (let at = 0; at < length; at += sectorSize) {
    if (same(at, Math.min(length, at + sectorSize))) count++
  }
  return count
}
