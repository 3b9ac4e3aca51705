import { ceilTo, floorTo } from '../bytes/align.js'
import { forEachDataStretch, zeroBlockSize } from '../bytes/zeros.js'
import type { BlockStore } from '../stores/block-store.js'
import { isDense } from './density.js'
import type { CopyRuns, Transfer, Transfers } from './step.js'

/** The layers a window is put together from. */
export interface WindowSources {
  readonly overlay: BlockStore
  /** Offset in the overlay of guest byte 0. */
  readonly dataOffset: number
  readonly backing: BlockStore
}

/**
 * One window of the merged image: which parts the overlay supplies, and the bytes once they are read.
 *
 * Add the runs in order, then take the steps of `reads`, then those of `writes`, then `moveTo` the next window. To merge in
 * place, take `rewriteSpan` or `appendRuns` in their place.
 */
export class MergeWindow {
  readonly size: number
  /** Guest offset of the first byte. */
  start = 0
  /** Bytes in use. */
  length = 0
  private readonly bytes: Buffer
  private readonly scratch: Buffer
  private readonly runStarts: Int32Array
  private readonly runEnds: Int32Array
  runCount = 0
  private readonly stretches: Int32Array
  private readonly step: Transfer
  private readonly lastPart: { buffer: Buffer; from: number; to: number; bytes: Buffer }

  constructor(size: number, placeholder: BlockStore) {
    this.size = size
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.scratch = Buffer.allocUnsafeSlow(size)
    // The shortest sector has 512 bytes, so no more runs than this can lie apart from each other.
    this.runStarts = new Int32Array(size / 512)
    this.runEnds = new Int32Array(size / 512)
    this.stretches = new Int32Array((size / zeroBlockSize) * 2)
    this.lastPart = { buffer: this.bytes, from: 0, to: size, bytes: this.bytes }
    this.step = { kind: 'read', store: placeholder, offset: 0, bytes: this.bytes, position: 0 }
  }

  moveTo(start: number, virtualSize: number): void {
    this.start = start
    this.length = Math.min(this.size, virtualSize - start)
    this.runCount = 0
  }

  get end(): number {
    return this.start + this.length
  }

  /** The overlay supplies guest bytes `start` to `end`; both lie in the window. */
  addRun(start: number, end: number): void {
    const previous = this.runCount - 1
    if (previous >= 0 && this.runEnds[previous] === start - this.start) {
      this.runEnds[previous] = end - this.start
      return
    }
    this.runStarts[this.runCount] = start - this.start
    this.runEnds[this.runCount] = end - this.start
    this.runCount++
  }

  get isEmpty(): boolean {
    return this.runCount === 0
  }

  /** @param hasData  false: the backing file has nothing but zeros here */
  *reads(sources: WindowSources, hasData = true): Transfers {
    const { overlay, dataOffset, backing } = sources
    const { runCount, runStarts, runEnds } = this
    // First everything between the outermost bytes of the backing file, then the overlay's runs over it.
    const backingStart = runCount > 0 && runStarts[0] === 0 ? runEnds[0]! : 0
    const backingEnd = runCount > 0 && runEnds[runCount - 1] === this.length ? runStarts[runCount - 1]! : this.length
    if (!hasData) this.bytes.fill(0, backingStart, backingEnd)
    else if (backingStart < backingEnd)
      yield this.transfer('read', backing, this.start, this.bytes, backingStart, backingEnd)
    if (!isDense(runCount, this.length)) {
      for (let i = 0; i < runCount; i++) {
        yield this.transfer('read', overlay, dataOffset + this.start, this.bytes, runStarts[i]!, runEnds[i]!)
      }
      return
    }
    const spanStart = runStarts[0]!
    const spanEnd = runEnds[runCount - 1]!
    yield this.transfer('read', overlay, dataOffset + this.start, this.scratch, spanStart, spanEnd)
    for (let i = 0; i < runCount; i++) this.scratch.copy(this.bytes, runStarts[i]!, runStarts[i]!, runEnds[i]!)
  }

  /** @param keepHoles  leave out blocks that are all zeros: the target reads as zeros there already */
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

  /** Read what `target` has here and compare. `differs` gets guest bytes: where the window starts, and its length. */
  *compares(target: BlockStore, differs: (start: number, length: number) => void): Transfers {
    yield this.transfer('read', target, this.start, this.scratch, 0, this.length)
    if (this.scratch.compare(this.bytes, 0, this.length, 0, this.length) !== 0) differs(this.start, this.length)
  }

  /** A window with too many runs to move each for itself. */
  get isDense(): boolean {
    return isDense(this.runCount, this.length)
  }

  /** A step that copies runs of windows like this one into the backing file, still without any. */
  copyRuns({ overlay, dataOffset, backing }: WindowSources, capacity: number): CopyRuns {
    const { scratch: buffer, bytes: present } = this
    const [starts, ends] = [new Float64Array(capacity), new Float64Array(capacity)]
    return {
      kind: 'copy',
      from: overlay,
      fromOffset: dataOffset,
      to: backing,
      starts,
      ends,
      count: 0,
      buffer,
      present,
      position: 0,
    }
  }

  /** Hand the runs over to a step of `copyRuns`. */
  appendRuns(copy: CopyRuns): void {
    for (let i = 0; i < this.runCount; i++) {
      copy.starts[copy.count] = this.start + this.runStarts[i]!
      copy.ends[copy.count++] = this.start + this.runEnds[i]!
    }
    copy.position = this.end
  }

  /** Bring the runs of a dense window into the backing file: one read of either side, then writes of the blocks that differ. */
  *rewriteSpan({ overlay, dataOffset, backing }: WindowSources): Transfers {
    const { runStarts, runEnds, runCount, bytes, scratch } = this
    const spanStart = runStarts[0]!
    const spanEnd = runEnds[runCount - 1]!
    const start = floorTo(spanStart, zeroBlockSize)
    const end = Math.min(this.length, ceilTo(spanEnd, zeroBlockSize))
    yield this.transfer('read', backing, this.start, bytes, start, end)
    yield this.transfer('read', overlay, dataOffset + this.start, scratch, spanStart, spanEnd)
    // The overlay's bytes are all there; what lies between its runs comes from the backing file.
    let gapStart = start
    for (let i = 0; i < runCount; i++) {
      bytes.copy(scratch, gapStart, gapStart, runStarts[i]!)
      gapStart = runEnds[i]!
    }
    bytes.copy(scratch, gapStart, gapStart, end)
    let changedStart = -1
    for (let at = start; at < end; at += zeroBlockSize) {
      const blockEnd = Math.min(end, at + zeroBlockSize)
      const changed = scratch.compare(bytes, at, blockEnd, at, blockEnd) !== 0
      if (changed && changedStart < 0) changedStart = at
      if (changed || changedStart < 0) continue
      yield this.transfer('write', backing, this.start, scratch, changedStart, at)
      changedStart = -1
    }
    if (changedStart >= 0) yield this.transfer('write', backing, this.start, scratch, changedStart, end)
  }

  /** The same part is often wanted again: scattered writes are mostly of one length. */
  private part(buffer: Buffer, from: number, to: number): Buffer {
    if (from === 0 && to === buffer.length) return buffer
    const { lastPart } = this
    if (lastPart.buffer !== buffer || lastPart.from !== from || lastPart.to !== to) {
      lastPart.buffer = buffer
      lastPart.from = from
      lastPart.to = to
      lastPart.bytes = buffer.subarray(from, to)
    }
    return lastPart.bytes
  }

  private transfer(
    kind: Transfer['kind'],
    store: BlockStore,
    base: number,
    buffer: Buffer,
    from: number,
    to: number,
  ): Transfer {
    const { step } = this
    step.kind = kind
    step.store = store
    step.offset = base + from
    step.bytes = this.part(buffer, from, to)
    step.position = kind === 'write' ? this.end : this.start
    return step
  }
}
