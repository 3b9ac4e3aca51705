import { floorTo } from '../../bytes/align.js'
import { origin } from '../../images/part-batch.js'
import type { Step, Steps } from '../step.js'
import type { PartWindow } from './part-window.js'
import type { PartSource } from './parts.js'

/** What to do with the windows of a copy. */
export interface WindowWork {
  /** False: nothing needs to be done for known zeros, and the copy skips them. */
  readonly needsZeros: boolean
  /** Make the steps for a window before it moves on. */
  full(): Generator<Step, void, void>
  /** Make the steps for zeros that fill many windows; undefined when these need a look window by window. */
  readonly longZeros?: ((start: number, end: number) => Steps) | undefined
}

/** Put the parts of an image into windows, and skip what needs no work: holes, and what the backing file supplies. */
export function* placeParts(source: PartSource, window: PartWindow, work: WindowWork): Steps {
  for (const batch of source.parts()) {
    if ('kind' in batch) {
      yield batch
      continue
    }
    for (let i = 0; i < batch.count; i++) {
      const from = batch.from[i]!
      if (from === origin.below || (from === origin.zeros && !work.needsZeros)) continue
      const start = batch.starts[i]!
      const end = batch.ends[i]!
      const offset = batch.offsets[i]!
      // Most parts of scattered writes take this way: no generator for them.
      if (start >= window.start && end <= window.end && source.stores[from]?.data === undefined) {
        window.add(start, end, from, offset)
      } else if (source.stores[from]?.data === undefined) {
        yield* placePart(window, work, start, end, from, offset)
      } else {
        yield* placeWithHoles(source, window, work, start, end, from, offset)
      }
    }
  }
  yield* work.full()
}

/** Place a part of a store whose holes are known, or can be found. */
function* placeWithHoles(
  source: PartSource,
  window: PartWindow,
  work: WindowWork,
  start: number,
  end: number,
  from: number,
  offset: number,
): Steps {
  const data = source.stores[from]!.data!
  const shift = offset - start
  for (let at = start; at < end; ) {
    if (data.end <= at + shift) yield* data.find(at + shift)
    const dataStart = Math.min(end, Math.max(at, data.start - shift))
    if (at < dataStart && work.needsZeros) yield* placePart(window, work, at, dataStart, origin.zeros, 0)
    const dataEnd = Math.min(end, Math.max(dataStart, data.end - shift))
    if (dataStart < dataEnd) yield* placePart(window, work, dataStart, dataEnd, from, dataStart + shift)
    at = dataEnd
  }
}

function* placePart(
  window: PartWindow,
  work: WindowWork,
  start: number,
  end: number,
  from: number,
  offset: number,
): Steps {
  for (let at = start; at < end; ) {
    if (at >= window.end) {
      yield* work.full()
      window.moveTo(floorTo(at, window.size))
    }
    const longEnd = at === window.start ? floorTo(end, window.size) : at
    if (from === origin.zeros && longEnd > window.end && work.longZeros !== undefined) {
      yield* work.longZeros(at, longEnd)
      at = longEnd
      continue
    }
    const partEnd = Math.min(end, window.end)
    window.add(at, partEnd, from, offset + (at - start))
    at = partEnd
  }
}
