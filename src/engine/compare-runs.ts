import { asBuffer } from '../bytes/zeros.js'
import type { MergeInputs } from './plan-merge.js'
import { planRuns } from './plan-merge.js'
import type { Steps, Transfer } from './step.js'
import { defaultWindowSize } from './window-size.js'

/** Bytes of guest data compared at a time from each side. */
const windowSize = defaultWindowSize

/** Guest bytes of an allocated run, from the overlay and from the backing file. */
export interface ComparedBytes {
  readonly overlay: Buffer
  readonly backing: Buffer
  /** Bytes in use of each. */
  readonly length: number
  /** Guest offset of the first. */
  readonly start: number
}

/** Plan to look at every allocated run from both sides, a window at a time; `visit` may return false to stop. */
export function* planCompareRuns(inputs: MergeInputs, visit: (compared: ComparedBytes) => boolean | undefined): Steps {
  const length = Math.max(windowSize, inputs.header.sectorSize)
  const overlay = Buffer.allocUnsafeSlow(length)
  const backing = Buffer.allocUnsafeSlow(length)
  const step: Transfer = { kind: 'read', store: inputs.overlay, offset: 0, bytes: overlay, position: 0 }
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (let i = 0; i < item.count; i++) {
      for (let at = item.starts[i]!; at < item.ends[i]!; at += length) {
        const end = Math.min(at + length, item.ends[i]!)
        yield read(step, inputs.overlay, inputs.dataOffset + at, overlay.subarray(0, end - at), at)
        yield read(step, inputs.backing, at, backing.subarray(0, end - at), at)
        if (visit({ overlay, backing, length: end - at, start: at }) === false) return
      }
    }
  }
}

function read(step: Transfer, store: Transfer['store'], offset: number, bytes: Buffer, position: number): Transfer {
  step.kind = 'read'
  step.store = store
  step.offset = offset
  step.bytes = bytes
  step.position = position
  return step
}

/** True when both sides are equal from byte `from` to `to`. */
export function isSame(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  return asBuffer(a).compare(b, from, to, from, to) === 0
}

/** Sectors of a window that are equal on both sides: windows that are equal as a whole take one comparison. */
export function countSame({ overlay, backing, length }: ComparedBytes, sectorSize: number): number {
  if (isSame(overlay, backing, 0, length)) return Math.ceil(length / sectorSize)
  let count = 0
  for (let at = 0; at < length; at += sectorSize) {
    if (isSame(overlay, backing, at, Math.min(length, at + sectorSize))) count++
  }
  return count
}
