import { floorTo } from '../bytes/align.js'
import { type MergeInputs, planRuns } from './plan-merge.js'
import type { Steps } from './step.js'
import { defaultWindowSize, MergeWindow } from './window.js'

/**
 * Plan to write what an overlay holds into its backing file: dense windows as spans, others run by run.
 *
 * Blocks that are zeros in both stay as they are, so that holes of the backing file stay holes. Done again after a part
 * of it was done, it ends with the same bytes.
 */
export function* planWriteBack(inputs: MergeInputs, windowSize = defaultWindowSize): Steps {
  const { virtualSize } = inputs.header
  const window = new MergeWindow(windowSize, inputs.backing)
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (let i = 0; i < item.count; i++) {
      for (let at = item.starts[i]!; at < item.ends[i]!; ) {
        if (at >= window.end) {
          yield* window.writesBack(inputs)
          window.moveTo(floorTo(at, windowSize), virtualSize)
        }
        const end = Math.min(item.ends[i]!, window.end)
        window.addRun(at, end)
        at = end
      }
    }
  }
  yield* window.writesBack(inputs)
}
