import type { CowHeader, CowLayout } from '../formats/cow/index.js'
import { storedBitmapLength } from '../images/bitmap-reader.js'
import type { BlockStore } from '../stores/block-store.js'
import { type BitmapPiece, createRunBatch, fillRunBatch, type RunBatch } from './run-batch.js'
import type { Step, Steps } from './step.js'
import { defaultWindowSize, MergeWindow, type WindowSources } from './window.js'

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

/**
 * Plan the merge of an overlay and its backing file into a target that is neither: window after window, in order.
 *
 * The target must have its final size already, unless it is a pipe.
 *
 * @param windowSize  bytes, a multiple of 4096
 */
export function* planMerge(inputs: MergeInputs, target: MergeTarget, windowSize = defaultWindowSize): Steps {
  const { virtualSize } = inputs.header
  const window = new MergeWindow(windowSize, target.store)
  window.moveTo(0, virtualSize)
  for (const item of planRuns(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    yield* fillWindows(window, item, inputs, target)
  }
  if (window.length > 0 && window.start < virtualSize) {
    yield* fillWindows(window, { ...createRunBatch(), end: virtualSize }, inputs, target)
  }
}

/** The bitmap from its start to its end: a step for each piece to read, then the batches of runs it holds. */
export function* planRuns(
  inputs: Pick<MergeInputs, 'overlay' | 'header' | 'layout'>,
): Generator<Step | RunBatch, void, void> {
  const { overlay, header, layout } = inputs
  const { sectorSize, virtualSize } = header
  const bits = Buffer.allocUnsafeSlow(pieceSize)
  const batch = createRunBatch()
  const step: Step = { kind: 'read', store: overlay, offset: 0, bytes: bits, position: 0 }
  // A header may claim a bitmap of terabytes; only what the file holds is looked at.
  const length = storedBitmapLength(overlay, layout)
  for (let offset = 0; offset < length; offset += pieceSize) {
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
function* fillWindows(window: MergeWindow, batch: RunBatch, inputs: MergeInputs, target: MergeTarget): Steps {
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
    yield* window.reads(inputs)
    yield* window.writes(target.store, target.keepHoles)
    window.moveTo(window.end, virtualSize)
  }
}
