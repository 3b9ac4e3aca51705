import { floorTo } from '../bytes/align.js'
import { forEachDataStretch, isZero, zeroBlockSize } from '../bytes/zeros.js'
import type { BlockStore } from '../stores/block-store.js'
import { type CopyRuns, createTransfer, setTransfer, type Transfer, type Transfers } from './step.js'

/** Copy one run by transfers. Only where the run has zeros does it read the target first: a hole may be there. */
export function* copyRun(runs: CopyRuns, index: number): Transfers {
  const { from, fromOffset, to, buffer, present } = runs
  const start = runs.starts[index]!
  const end = runs.ends[index]!
  const base = floorTo(start, zeroBlockSize)
  const step = createTransfer(from)
  step.position = start
  yield setTransfer(step, 'read', from, fromOffset + start, buffer.subarray(start - base, end - base))
  buffer.fill(0, 0, start - base)
  const stretches: number[] = []
  forEachDataStretch(buffer, end - base, (from, to) => stretches.push(Math.max(start, base + from), base + to))
  let at = start
  for (let i = 0; i <= stretches.length; i += 2) {
    const zerosEnd = stretches[i] ?? end
    if (at < zerosEnd) yield* writeZeros(step, to, present.subarray(0, zerosEnd - at), at)
    const dataEnd = stretches[i + 1]
    if (dataEnd === undefined) return
    yield setTransfer(step, 'write', to, zerosEnd, buffer.subarray(zerosEnd - base, dataEnd - base))
    at = dataEnd
  }
}

/** Make part of `to` read as zeros. @param present  memory as long as the zeros, for the bytes that `to` has there */
function* writeZeros(step: Transfer, to: BlockStore, present: Uint8Array, at: number): Transfers {
  yield setTransfer(step, 'read', to, at, present)
  // Write only the blocks that hold data: the others may be holes. The first part may begin in the middle of a block.
  const blockEnd = Math.min(present.length, zeroBlockSize - (at % zeroBlockSize))
  const first = present.subarray(0, blockEnd)
  if (!isZero(first)) yield setTransfer(step, 'write', to, at, first.fill(0))
  const rest = present.subarray(blockEnd)
  const stretches: number[] = []
  forEachDataStretch(rest, rest.length, (from, end) => stretches.push(from, end))
  for (let i = 0; i < stretches.length; i += 2) {
    const [from, end] = [stretches[i]!, stretches[i + 1]!]
    yield setTransfer(step, 'write', to, at + blockEnd + from, rest.subarray(from, end).fill(0))
  }
}
