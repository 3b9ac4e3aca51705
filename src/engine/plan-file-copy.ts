import { ceilTo, floorTo } from '../bytes/align.js'
import { transferBuffer } from '../bytes/aligned-buffer.js'
import { forEachDataStretch, zeroBlockSize } from '../bytes/zeros.js'
import type { BlockStore } from '../stores/block-store.js'
import { type DataMap, everythingIsData } from './data-map.js'
import { createTransfer, setTransfer, type Transfers } from './step.js'
import { defaultWindowSize } from './window-size.js'

export interface FileCopyOptions {
  /** Bytes to copy. */
  readonly size: number
  /** Where the source has data. Without it, all of the source counts as data. */
  readonly data?: DataMap | undefined
  /** The target reads as zeros already: skip holes and blocks of zeros. */
  readonly keepHoles: boolean
  /** Bytes, a multiple of 4096. */
  readonly windowSize?: number | undefined
}

/** Plan to copy a store into another of the same size, window after window. */
export function* planFileCopy(from: BlockStore, to: BlockStore, options: FileCopyOptions): Transfers {
  const { size, keepHoles, data = everythingIsData(), windowSize = defaultWindowSize } = options
  const memory = transferBuffer(windowSize)
  const step = createTransfer(from)
  const stretches: number[] = []
  const keep = (start: number, end: number) => stretches.push(start, end)
  for (let at = 0; at < size; ) {
    if (keepHoles && data.end <= at) yield* data.find(at)
    if (keepHoles && data.start > at) at = Math.min(size, Math.max(at, floorTo(data.start, zeroBlockSize)))
    if (at >= size) break
    const end = keepHoles ? Math.min(size, ceilTo(Math.min(size, data.end), zeroBlockSize)) : size
    const bytes = memory.subarray(0, Math.min(windowSize, end - at))
    step.position = at
    yield setTransfer(step, 'read', from, at, bytes)
    stretches.length = 0
    if (keepHoles) forEachDataStretch(bytes, bytes.length, keep)
    else keep(0, bytes.length)
    for (let i = 0; i < stretches.length; i += 2) {
      yield setTransfer(step, 'write', to, at + stretches[i]!, bytes.subarray(stretches[i], stretches[i + 1]))
    }
    at += bytes.length
  }
}
