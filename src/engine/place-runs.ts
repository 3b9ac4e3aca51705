import { floorTo } from '../bytes/align.js'
import type { RunBatch } from './run-batch.js'
import type { RunWindow } from './run-window.js'
import type { Step } from './step.js'

/**
 * Put the runs of a batch into windows, which go only where a run is.
 *
 * @param full  what is to be done with a window before it moves on, null when it is done; after the last batch it is the
 *              caller's to do
 */
export function* placeRuns<T extends Step>(
  window: RunWindow,
  batch: RunBatch,
  virtualSize: number,
  full: () => Iterable<T> | null,
): Generator<T, void, void> {
  for (let i = 0; i < batch.count; i++) {
    for (let at = batch.starts[i]!; at < batch.ends[i]!; ) {
      if (at >= window.end) {
        const steps = full()
        if (steps !== null) yield* steps
        window.moveTo(floorTo(at, window.size), virtualSize)
      }
      const end = Math.min(batch.ends[i]!, window.end)
      window.addRun(at, end)
      at = end
    }
  }
}
