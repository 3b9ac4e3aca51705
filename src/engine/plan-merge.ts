import { floorTo } from '../bytes/align.js'
import type { CowHeader, CowLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { bitmapPieces } from './bitmap-pieces.js'
import { type DataMap, everythingIsData } from './data-map.js'
import { MergeWindow } from './merge-window.js'
import { type BitmapPiece, createRunBatch, fillRunBatch, type RunBatch } from './run-batch.js'
import type { WindowSources } from './run-window.js'
import type { Steps, Transfer } from './step.js'
import { defaultWindowSize } from './window-size.js'

/** Bytes of bitmap in memory at a time: the bits of 256 MiB of 512-byte sectors. */
const pieceSize = 64 * 1024

export interface MergeInputs extends WindowSources {
  readonly header: Pick<CowHeader, 'sectorSize' | 'virtualSize'>
  readonly layout: CowLayout
}

export interface MergeTarget {
  readonly store: BlockStore
  /** The store reads as zeros already: leave out blocks of zeros. */
  readonly keepHoles: boolean
}

export interface MergePlanOptions {
  /** Where the backing file has data; what is not known counts as data. */
  readonly data?: DataMap | undefined
  /** Bytes, a multiple of 4096. */
  readonly windowSize?: number | undefined
}

/**
 * Plan the merge of an overlay and its backing file into a target that is neither: window after window, in order.
 *
 * The target must have its final size already, unless it is a pipe.
 */
export function* planMerge(inputs: MergeInputs, target: MergeTarget, options: MergePlanOptions = {}): Steps {
  const { store, keepHoles } = target
  const window = windowFor(inputs, options)
  // Runs over holes, for a target that reads as zeros already: to fill a whole window and look through it takes ten times
  // as long as a run of 4 KiB. They go after windows of later bytes, which are other blocks.
  const lone = window.copyRuns(inputs, store)
  function* copyLone(position: number): Steps {
    lone.position = position
    if (lone.count > 0) yield lone
    lone.count = 0
  }
  function* moveLone(): Steps {
    yield* copyLone(window.start)
    window.appendRuns(lone)
  }
  function* move(hasData: boolean): Steps {
    yield* window.reads(inputs, hasData)
    yield* window.writes(store, keepHoles)
  }
  yield* planWindows(window, inputs, options, keepHoles, (hasData) => {
    if (!keepHoles || hasData || window.isDense) return move(hasData)
    if (!window.fits(lone)) return moveLone()
    window.appendRuns(lone)
    return null
  })
  yield* copyLone(inputs.header.virtualSize)
}

/** Plan to compare a merged image with what it was merged from. `differs` gets guest bytes: where, and how many. */
export function planCompareMerged(
  inputs: MergeInputs,
  merged: BlockStore,
  differs: (start: number, length: number) => void,
): Steps {
  const window = windowFor(inputs, {})
  return planWindows(window, inputs, {}, false, function* (hasData) {
    yield* window.reads(inputs, hasData)
    yield* window.compares(merged, differs)
  })
}

function windowFor({ overlay }: MergeInputs, { windowSize = defaultWindowSize }: MergePlanOptions): MergeWindow {
  return new MergeWindow(windowSize, overlay)
}

/** @param skipHoles  nothing is to be done where both files have nothing but zeros */
function* planWindows(
  window: MergeWindow,
  inputs: MergeInputs,
  { data = everythingIsData() }: MergePlanOptions,
  skipHoles: boolean,
  move: MoveWindow,
): Steps {
  const { virtualSize } = inputs.header
  window.moveTo(0, virtualSize)
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    yield* fillWindows(window, item, { inputs, data, skipHoles, move })
  }
  if (window.length > 0 && window.start < virtualSize) {
    yield* fillWindows(window, { ...createRunBatch(), end: virtualSize }, { inputs, data, skipHoles, move })
  }
}

/**
 * What is to be done with a window.
 *
 * @param hasData  false: the backing file has nothing but zeros there
 * @returns        null when it is done, which spares a generator for each
 */
type MoveWindow = (hasData: boolean) => Steps | null

interface WindowWork {
  readonly inputs: MergeInputs
  readonly data: DataMap
  readonly skipHoles: boolean
  readonly move: MoveWindow
}

/** The bitmap from its start to its end: a step for each piece to read, then the batches of runs it holds. */
export function* planRuns(
  inputs: Pick<MergeInputs, 'overlay' | 'header' | 'layout'>,
): Generator<Transfer | RunBatch, void, void> {
  const { overlay, header, layout } = inputs
  const { sectorSize, virtualSize } = header
  const bits = Buffer.allocUnsafeSlow(pieceSize)
  const batch = createRunBatch()
  const step: Transfer = { kind: 'read', store: overlay, offset: 0, bytes: bits, position: 0 }
  // A header may claim a bitmap of terabytes; only what the file holds is looked at.
  const pieces = bitmapPieces(overlay, layout, pieceSize)
  const { length } = pieces
  for (let offset = yield* pieces.next(0); offset < length; offset = yield* pieces.next(offset + pieceSize)) {
    step.offset = layout.bitmapOffset + offset
    step.bytes = bits.subarray(0, Math.min(pieceSize, length - offset))
    step.position = Math.min(virtualSize, offset * 8 * sectorSize)
    yield step
    const bitCount = Math.min(step.bytes.length * 8, layout.bitCount - offset * 8)
    const piece: BitmapPiece = { bits: step.bytes, start: offset * 8 * sectorSize, bitCount, sectorSize, virtualSize }
    for (let bit = 0; bit < bitCount; ) {
      bit = fillRunBatch(batch, piece, bit)
      yield batch
    }
  }
}

/** Put the runs of a batch into windows; each that the batch tells everything about is moved, and the next begun. */
function* fillWindows(window: MergeWindow, batch: RunBatch, { inputs, data, skipHoles, move }: WindowWork): Steps {
  const { virtualSize } = inputs.header
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
      // Nothing here but a hole: on to where something is.
      const next = Math.min(data.start, index < batch.count ? batch.starts[index]! : batch.end)
      window.moveTo(Math.max(window.end, floorTo(next, window.size)), virtualSize)
    }
  }
}
