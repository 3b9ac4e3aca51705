import { ceilTo, floorTo } from '../../bytes/align.js'
import type { ImageSink } from '../../images/new-image.js'
import type { Steps } from '../step.js'
import { defaultWindowSize } from '../window-size.js'
import { type Below, OverWindow } from './over-window.js'
import { PartWindow } from './part-window.js'
import type { PartSource } from './parts.js'
import { placeParts } from './place-parts.js'
import { type ConvertCounts, SinkOutput } from './sink-output.js'

export interface ConvertPlanOptions {
  /** Aligned blocks of this many bytes become holes where they hold only zeros: a power of two. 0: store all zeros. */
  readonly zeroUnit: number
  /** The backing file of the new image; null: the image stands alone. */
  readonly below: Below | null
}

/**
 * Plan to copy an image into a sink.
 *
 * Without `below`, the sink gets all that is not zeros. With it, the sink gets what the source supplies itself, in whole
 * units of the sink: the plan fills units that the source supplies in part with bytes of the backing file.
 *
 * @param counts  gets what became of the bytes
 */
export function* planConvert(
  source: PartSource,
  sink: ImageSink,
  { zeroUnit, below }: ConvertPlanOptions,
  counts: ConvertCounts = { stored: 0, zeros: 0, dropped: 0 },
): Steps {
  const size = Math.max(defaultWindowSize, sink.unit, zeroUnit, below?.dropEqual ?? 0)
  const window = new PartWindow(size, source)
  const output = new SinkOutput(sink, zeroUnit)
  if (below === null) yield* placeParts(source, window, aloneWork(window, sink, zeroUnit, output))
  else yield* placeParts(source, window, new OverWindow(window, sink.unit, zeroUnit, below, output))
  Object.assign(counts, output.counts)
  yield { kind: 'call', position: source.virtualSize, run: () => sink.finish() }
}

/** The work for an image without a backing file: everything but zeros goes to the sink. */
function aloneWork(window: PartWindow, sink: ImageSink, zeroUnit: number, output: SinkOutput) {
  const block = Math.max(sink.unit, zeroUnit)
  return {
    needsZeros: zeroUnit === 0,
    *full(): Steps {
      if (window.count === 0) return
      const start = floorTo(window.starts[0]!, block)
      const end = Math.min(window.length, ceilTo(window.ends.at(-1)!, block))
      yield* window.readsOverZeros(start, end)
      yield* output.put(window.start, window.bytes, { start, end })
    },
  }
}
