import { floorTo } from '../bytes/align.js'
import type { RunBatch } from './run-batch.js'
import type { RunWindow } from './run-window.js'
import type { Step } from './step.js'

/**
 * Put the runs of a batch into windows. A window moves only to places that have a run.
 *
 * @param full  handles a window before it moves on: returns its steps, or null when no step is needed. The caller
 *              handles the last window itself, after the last batch.
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
