import { ceilTo, floorTo } from '../bytes/align.js'
import { compareBytes } from '../bytes/fast.js'
import { zeroBlockSize } from '../bytes/zeros.js'
import type { Layers } from './merge-layers.js'
import { RunWindow } from './run-window.js'
import type { Transfers } from './step.js'

/** The guest bytes of an allocated run, or of a part of one, as the overlay and the backing file have them. */
export interface ComparedBytes {
  readonly overlay: Uint8Array
  readonly backing: Uint8Array
  /** Where the bytes are in both buffers, half-open. */
  readonly from: number
  readonly to: number
  /** Guest offset of the first byte. */
  readonly start: number
}

/**
 * One window of a backing file and its overlay. Only the overlay's runs matter.
 *
 * To look at the runs, take the steps of `readsBoth`, then call `forEachRun`. To merge them in place, use `rewriteSpan`
 * or `appendRuns`.
 */
export class InPlaceWindow extends RunWindow {
  /** Read the runs from both sides; `forEachRun` then shows them. */
  *readsBoth({ overlay, backing }: Layers): Transfers {
    const { store, layout } = overlay
    const { runStarts, runEnds, runCount, bytes, scratch } = this
    if (runCount === 0) return
    if (this.isDense) {
      const [start, end] = [runStarts[0]!, runEnds[runCount - 1]!]
      yield this.transfer('read', store, layout.dataOffset + this.start, scratch, start, end)
      yield this.transfer('read', backing, this.start, bytes, start, end)
      return
    }
    for (let i = 0; i < runCount; i++) {
      yield this.transfer('read', store, layout.dataOffset + this.start, scratch, runStarts[i]!, runEnds[i]!)
      yield this.transfer('read', backing, this.start, bytes, runStarts[i]!, runEnds[i]!)
    }
  }

  /** Visit what `readsBoth` has read, run by run. `visit` may return false to stop. @returns false when it did */
  forEachRun(visit: (compared: ComparedBytes) => boolean | undefined): boolean {
    const { scratch: overlay, bytes: backing, start } = this
    for (let i = 0; i < this.runCount; i++) {
      const [from, to] = [this.runStarts[i]!, this.runEnds[i]!]
      if (visit({ overlay, backing, from, to, start: start + from }) === false) return false
    }
    return true
  }

  /** Merge the runs of a dense window into the backing file: one read of each side, then writes of changed blocks. */
  *rewriteSpan({ overlay, backing }: Layers): Transfers {
    const { store, layout } = overlay
    const { runStarts, runEnds, runCount, bytes, scratch } = this
    const spanStart = runStarts[0]!
    const spanEnd = runEnds[runCount - 1]!
    const start = floorTo(spanStart, zeroBlockSize)
    const end = Math.min(this.length, ceilTo(spanEnd, zeroBlockSize))
    yield this.transfer('read', backing, this.start, bytes, start, end)
    yield this.transfer('read', store, layout.dataOffset + this.start, scratch, spanStart, spanEnd)
    // `scratch` holds the whole span of the overlay. Between its runs the bytes of the backing file belong there.
    let gapStart = start
    for (let i = 0; i < runCount; i++) {
      this.copyToScratch(gapStart, runStarts[i]!)
      gapStart = runEnds[i]!
    }
    this.copyToScratch(gapStart, end)
    let changedStart = -1
    for (let at = start; at < end; at += zeroBlockSize) {
      const blockEnd = Math.min(end, at + zeroBlockSize)
      const changed = compareBytes(scratch, at, blockEnd, bytes, at, blockEnd) !== 0
      if (changed && changedStart < 0) changedStart = at
      if (changed || changedStart < 0) continue
      yield this.transfer('write', backing, this.start, scratch, changedStart, at)
      changedStart = -1
    }
    if (changedStart >= 0) yield this.transfer('write', backing, this.start, scratch, changedStart, end)
  }
}
