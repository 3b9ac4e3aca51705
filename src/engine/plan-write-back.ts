import { InPlaceWindow } from './in-place-window.js'
import { placeRuns } from './place-runs.js'
import { type MergeInputs, planRuns } from './plan-merge.js'
import type { CopyRuns, Steps } from './step.js'
import { defaultWindowSize } from './window-size.js'

/**
 * Plan to write what an overlay holds into its backing file: dense windows as spans, others run by run.
 *
 * Blocks that are zeros in both stay as they are, so that holes of the backing file stay holes. Done again after a part
 * of it was done, it ends with the same bytes.
 */
export function* planWriteBack(inputs: MergeInputs, windowSize = defaultWindowSize): Steps {
  const { virtualSize } = inputs.header
  const window = new InPlaceWindow(windowSize, inputs.backing)
  const sparse = window.copyRuns(inputs, inputs.backing)
  const full = () => {
    if (window.isDense || !window.fits(sparse)) return writeWindow(window, inputs, sparse)
    // Of most windows: nothing to do yet, and no generator to make.
    window.appendRuns(sparse)
    return null
  }
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    yield* placeRuns(window, item, virtualSize, full)
  }
  yield* writeWindow(window, inputs, sparse)
  if (sparse.count > 0) yield sparse
}

function* writeWindow(window: InPlaceWindow, inputs: MergeInputs, sparse: CopyRuns): Steps {
  if (!window.fits(sparse) || (window.isDense && sparse.count > 0)) {
    yield sparse
    sparse.count = 0
  }
  if (window.isDense) yield* window.rewriteSpan(inputs)
  else window.appendRuns(sparse)
}
