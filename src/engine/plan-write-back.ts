import { InPlaceWindow } from './in-place-window.js'
import type { Layers } from './merge-layers.js'
import { walkRuns } from './run-batch.js'
import { placeRuns } from './runs-into-windows.js'
import type { CopyRuns, Steps } from './step.js'
import { defaultWindowSize } from './window-size.js'

/**
 * Plan to write the allocated sectors of an overlay into its backing file: dense windows as spans, others run by run.
 *
 * The plan does not write blocks that are zeros in both, so that holes of the backing file stay holes. After an
 * interruption, a second run from the start ends with the same bytes.
 */
export function* planWriteBack(layers: Layers, windowSize = defaultWindowSize): Steps {
  const { overlay, backing } = layers
  const window = new InPlaceWindow(windowSize, backing)
  const sparse = window.copyRuns(overlay, backing)
  const full = () => {
    if (window.isDense || !window.fits(sparse)) return writeWindow(window, layers, sparse)
    // Most windows get here: they need no step yet, and so no generator.
    window.appendRuns(sparse)
    return null
  }
  for (const item of walkRuns(overlay)) {
    if ('kind' in item) {
      yield item
      continue
    }
    yield* placeRuns(window, item, overlay.header.virtualSize, full)
  }
  yield* writeWindow(window, layers, sparse)
  if (sparse.count > 0) yield sparse
}

function* writeWindow(window: InPlaceWindow, layers: Layers, sparse: CopyRuns): Steps {
  if (!window.fits(sparse) || (window.isDense && sparse.count > 0)) {
    yield sparse
    sparse.count = 0
  }
  if (window.isDense) yield* window.rewriteSpan(layers)
  else window.appendRuns(sparse)
}
