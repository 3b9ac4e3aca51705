import { compareBytes } from '../bytes/fast.js'
import { forEachDataStretch, zeroBlockSize } from '../bytes/zeros.js'
import type { BlockStore } from '../stores/block-store.js'
import type { Layers } from './merge-layers.js'
import { RunWindow } from './run-window.js'
import type { Transfers } from './step.js'

/** One window of a merged image. Take the steps of `reads`, then those of `writes` or `compares`. */
export class MergeWindow extends RunWindow {
  private readonly stretches: Int32Array

  constructor(size: number, placeholder: BlockStore) {
    super(size, placeholder)
    this.stretches = new Int32Array((size / zeroBlockSize) * 2)
  }

  /** Read both layers. @param hasData  false: the backing file has only zeros here */
  *reads({ overlay, backing }: Layers, hasData = true): Transfers {
    const { store, layout } = overlay
    const { runCount, runStarts, runEnds } = this
    // Read the backing file first, without a run at either end of the window. Then read the overlay's runs over it.
    const backingStart = runCount > 0 && runStarts[0] === 0 ? runEnds[0]! : 0
    const backingEnd = runCount > 0 && runEnds[runCount - 1] === this.length ? runStarts[runCount - 1]! : this.length
    if (!hasData) this.bytes.fill(0, backingStart, backingEnd)
    else if (backingStart < backingEnd)
      yield this.transfer('read', backing, this.start, this.bytes, backingStart, backingEnd)
    if (!this.isDense) {
      for (let i = 0; i < runCount; i++) {
        yield this.transfer('read', store, layout.dataOffset + this.start, this.bytes, runStarts[i]!, runEnds[i]!)
      }
      return
    }
    const spanStart = runStarts[0]!
    const spanEnd = runEnds[runCount - 1]!
    yield this.transfer('read', store, layout.dataOffset + this.start, this.scratch, spanStart, spanEnd)
    for (let i = 0; i < runCount; i++) this.copyFromScratch(runStarts[i]!, runEnds[i]!)
  }

  /** Write the window. @param keepHoles  skip blocks of zeros: the target reads as zeros there already */
  *writes(target: BlockStore, keepHoles: boolean): Transfers {
    if (!keepHoles) {
      yield this.transfer('write', target, this.start, this.bytes, 0, this.length)
      return
    }
    const { stretches } = this
    let count = 0
    forEachDataStretch(this.bytes, this.length, (from, to) => {
      stretches[count++] = from
      stretches[count++] = to
    })
    for (let i = 0; i < count; i += 2) {
      yield this.transfer('write', target, this.start, this.bytes, stretches[i]!, stretches[i + 1]!)
    }
  }

  /** Read `target` and compare. On a difference, call `differs` with the guest offset and length of the window. */
  *compares(target: BlockStore, differs: (start: number, length: number) => void): Transfers {
    yield this.transfer('read', target, this.start, this.scratch, 0, this.length)
    if (compareBytes(this.scratch, 0, this.length, this.bytes, 0, this.length) !== 0) differs(this.start, this.length)
  }
}
