import { ceilTo, floorTo } from '../bytes/align.js'
import { forEachDataStretch, isZero, zeroBlockSize } from '../bytes/zeros.js'
import type { BlockStore } from '../stores/block-store.js'
import type { Step } from './step.js'

/** Bytes moved at a time. Larger ones gained nothing in measurements, and this much stays in the processor's cache. */
export const defaultWindowSize = 256 * 1024

/**
 * Runs per 256 KiB above which one read of the whole span and copies in memory beat a read per run.
 *
 * Measured on warm files: runs of 512 bytes to 8 KiB cross over between 8 and 16 a window, longer runs never get there.
 */
const densityCrossover = 12

/** True when a window with so many runs is better read as one span. */
export function isDense(runCount: number, windowLength: number): boolean {
  return runCount * (256 * 1024) > densityCrossover * windowLength
}

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
 * Add the runs in order, then take the steps of `reads`, then those of `writes`, then `moveTo` the next window.
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
  private runCount = 0
  private readonly stretches: Int32Array
  private readonly step: Step

  constructor(size: number, placeholder: BlockStore) {
    this.size = size
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.scratch = Buffer.allocUnsafeSlow(size)
    // The shortest sector has 512 bytes, so no more runs than this can lie apart from each other.
    this.runStarts = new Int32Array(size / 512)
    this.runEnds = new Int32Array(size / 512)
    this.stretches = new Int32Array((size / zeroBlockSize) * 2)
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

  *reads(sources: WindowSources): Generator<Step, void, void> {
    const { overlay, dataOffset, backing } = sources
    const { runCount, runStarts, runEnds } = this
    // First everything between the outermost bytes of the backing file, then the overlay's runs over it.
    const backingStart = runCount > 0 && runStarts[0] === 0 ? runEnds[0]! : 0
    const backingEnd = runCount > 0 && runEnds[runCount - 1] === this.length ? runStarts[runCount - 1]! : this.length
    if (backingStart < backingEnd)
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
  *writes(target: BlockStore, keepHoles: boolean): Generator<Step, void, void> {
    if (!keepHoles) {
      yield this.transfer('write', target, this.start, this.bytes, 0, this.length)
      return
    }
    const { stretches } = this
    let count = 0
    forEachDataStretch(this.bytes.subarray(0, this.length), (from, to) => {
      stretches[count++] = from
      stretches[count++] = to
    })
    for (let i = 0; i < count; i += 2) {
      yield this.transfer('write', target, this.start, this.bytes, stretches[i]!, stretches[i + 1]!)
    }
  }

  /** Bring the runs into the backing file; what is equal there already is left alone where that comes cheap. */
  *writesBack(sources: WindowSources): Generator<Step, void, void> {
    if (this.runCount === 0) return
    if (isDense(this.runCount, this.length)) return yield* this.rewriteSpan(sources)
    for (let i = 0; i < this.runCount; i++) yield* this.rewriteRun(sources, this.runStarts[i]!, this.runEnds[i]!)
  }

  /** One read of either side, then writes of the blocks that differ. */
  private *rewriteSpan({ overlay, dataOffset, backing }: WindowSources): Generator<Step, void, void> {
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

  /** The run is written without a look at the backing file, but for its zeros: there may be a hole there. */
  private *rewriteRun(sources: WindowSources, start: number, end: number): Generator<Step, void, void> {
    const { overlay, dataOffset, backing } = sources
    yield this.transfer('read', overlay, dataOffset + this.start, this.scratch, start, end)
    const firstBlock = floorTo(start, zeroBlockSize)
    this.scratch.fill(0, firstBlock, start)
    let count = 0
    forEachDataStretch(this.scratch.subarray(firstBlock, end), (from, to) => {
      this.stretches[count++] = Math.max(start, firstBlock + from)
      this.stretches[count++] = firstBlock + to
    })
    let at = start
    for (let i = 0; i <= count; i += 2) {
      const zerosEnd = i < count ? this.stretches[i]! : end
      if (at < zerosEnd) yield* this.rewriteZeros(backing, at, zerosEnd)
      if (i === count) return
      at = this.stretches[i + 1]!
      yield this.transfer('write', backing, this.start, this.scratch, zerosEnd, at)
    }
  }

  private *rewriteZeros(backing: BlockStore, start: number, end: number): Generator<Step, void, void> {
    yield this.transfer('read', backing, this.start, this.bytes, start, end)
    if (isZero(this.bytes.subarray(start, end))) return
    yield this.transfer('write', backing, this.start, this.scratch, start, end)
  }

  private transfer(
    kind: Step['kind'],
    store: BlockStore,
    base: number,
    buffer: Buffer,
    from: number,
    to: number,
  ): Step {
    const { step } = this
    step.kind = kind
    step.store = store
    step.offset = base + from
    step.bytes = from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to)
    step.position = kind === 'write' ? this.end : this.start
    return step
  }
}
