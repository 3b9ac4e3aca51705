import { floorTo } from '../bytes/align.js'
import type { BlockStore } from '../stores/block-store.js'
import { type DataMap, everythingIsData } from './data-map.js'
import type { Layers } from './merge-layers.js'
import { MergeWindow } from './merge-window.js'
import { createRunBatch, type RunBatch, walkRuns } from './run-batch.js'
import type { Steps } from './step.js'
import { defaultWindowSize } from './window-size.js'

export interface MergeTarget {
  readonly store: BlockStore
  /** The store reads as zeros already: skip blocks of zeros. */
  readonly keepHoles: boolean
}

export interface MergePlanOptions {
  /** Where the backing file has data. Without it, all of the file counts as data. */
  readonly data?: DataMap | undefined
  /** Bytes, a multiple of 4096. */
  readonly windowSize?: number | undefined
}

// A merge moves one window over the image, from its start to its end. These are the states of the window:
//
//   state      the plan knows                       it does                               the next state
//   --------   ----------------------------------   -----------------------------------   --------------------
//   filling    some of the window's runs            adds the runs of the next batch       filling, or known
//   known      all runs: the batch reaches its end  asks the data map what lies below     one of the next three
//   bare       no run, and a hole below             nothing                               filling, further on
//   overHole   few runs, and a hole below           keeps the runs for one copying step   filling, further on
//   mixed      anything else                        reads both layers, then writes        filling, further on
//   past       the window starts at the image's end copies the runs it still keeps        the plan has ended
//
// Only a target that reads as zeros has windows in `bare` and `overHole`: any other target needs its zeros written.
// From `bare` the window skips to the next run, or to the next data of the backing file. From the other two it moves on
// by its own length.

/**
 * Plan the merge of an overlay and its backing file into a third store: window after window, in order.
 *
 * Unless the target is a pipe, it must have its final size already.
 */
export function* planMerge(layers: Layers, target: MergeTarget, options: MergePlanOptions = {}): Steps {
  const { store, keepHoles } = target
  const window = windowFor(layers, options)
  // Over holes of the backing file the plan copies run by run: to fill a whole window and search it takes ten times as
  // long as a run of 4 KiB. Windows of later bytes may go first, because they touch other blocks.
  const runsOverHoles = window.copyRuns(layers.overlay, store)
  function* copyRunsOverHoles(position: number): Steps {
    runsOverHoles.position = position
    if (runsOverHoles.count > 0) yield runsOverHoles
    runsOverHoles.count = 0
  }
  function* makeRoomAndKeep(): Steps {
    yield* copyRunsOverHoles(window.start)
    window.appendRuns(runsOverHoles)
  }
  function* move(hasData: boolean): Steps {
    yield* window.reads(layers, hasData)
    yield* window.writes(store, keepHoles)
  }
  yield* planWindows(window, layers, options, keepHoles, (hasData) => {
    if (!keepHoles || hasData || window.isDense) return move(hasData)
    if (!window.fits(runsOverHoles)) return makeRoomAndKeep()
    window.appendRuns(runsOverHoles)
    return null
  })
  yield* copyRunsOverHoles(layers.overlay.header.virtualSize)
}

/** Plan to compare a merged image with its inputs. `differs` gets guest bytes: the start and length of a difference. */
export function planCompareMerged(
  layers: Layers,
  merged: BlockStore,
  differs: (start: number, length: number) => void,
): Steps {
  const window = windowFor(layers, {})
  return planWindows(window, layers, {}, false, function* (hasData) {
    yield* window.reads(layers, hasData)
    yield* window.compares(merged, differs)
  })
}

function windowFor({ overlay }: Layers, { windowSize = defaultWindowSize }: MergePlanOptions): MergeWindow {
  return new MergeWindow(windowSize, overlay.store)
}

/** @param skipHoles  skip windows where neither file has data */
function* planWindows(
  window: MergeWindow,
  { overlay }: Layers,
  { data = everythingIsData() }: MergePlanOptions,
  skipHoles: boolean,
  move: MoveWindow,
): Steps {
  const { virtualSize } = overlay.header
  const work = { virtualSize, data, skipHoles, move }
  window.moveTo(0, virtualSize)
  for (const item of walkRuns(overlay)) {
    if ('kind' in item) yield item
    else yield* fillWindows(window, item, work)
  }
  if (window.length > 0 && window.start < virtualSize) {
    yield* fillWindows(window, { ...createRunBatch(), end: virtualSize }, work)
  }
}

/**
 * Handles one window.
 *
 * @param hasData  false: the backing file has only zeros there
 * @returns        the steps; null when no step is needed, which saves a generator for the window
 */
type MoveWindow = (hasData: boolean) => Steps | null

interface WindowWork {
  readonly virtualSize: number
  readonly data: DataMap
  readonly skipHoles: boolean
  readonly move: MoveWindow
}

/** Put the runs of a batch into windows. Handle each window that the batch covers to its end, then start the next. */
function* fillWindows(window: MergeWindow, batch: RunBatch, work: WindowWork): Steps {
  const { virtualSize, data, skipHoles, move } = work
  let index = 0
  while (window.length > 0) {
    while (index < batch.count && batch.starts[index]! < window.end) {
      const runEnd = batch.ends[index]!
      window.addRun(Math.max(window.start, batch.starts[index]!), Math.min(window.end, runEnd))
      if (runEnd > window.end) break
      index++
    }
    if (batch.end < window.end) return
    if (data.end <= window.start) yield* data.find(window.start)
    const hasData = data.start < window.end
    if (hasData || !window.isEmpty || !skipHoles) {
      const steps = move(hasData)
      if (steps !== null) yield* steps
      window.moveTo(window.end, virtualSize)
    } else {
      // No layer has data here: skip to the next run or the next data.
      const next = Math.min(data.start, index < batch.count ? batch.starts[index]! : batch.end)
      window.moveTo(Math.max(window.end, floorTo(next, window.size)), virtualSize)
    }
  }
}
