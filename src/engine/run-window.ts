import { transferBuffer } from '../bytes/aligned-buffer.js'
import type { BlockStore } from '../stores/block-store.js'
import { isDense, mostSparseRuns } from './density.js'
import type { StoredOverlay } from './merge-layers.js'
import { type CopyRuns, createTransfer, setTransfer, type Transfer } from './step.js'
import { largestWindowSize } from './window-size.js'

/** The most runs of one copying step. All runs of a window that is not dense must fit. */
const copyCapacity = mostSparseRuns(largestWindowSize)

/**
 * One window of an image: the runs that the overlay supplies, and memory for the bytes of both sides.
 *
 * Add the runs in order, take the steps of a subclass, then call `moveTo` for the next window.
 */
export class RunWindow {
  readonly size: number
  /** Guest offset of the first byte. */
  start = 0
  /** Bytes in use. */
  length = 0
  /** Both sides, one after the other. `copyWithin` needs no object for each run; `set` would need a `subarray`. */
  private readonly memory: Uint8Array
  protected readonly bytes: Uint8Array
  protected readonly scratch: Uint8Array
  protected readonly runStarts: Int32Array
  protected readonly runEnds: Int32Array
  runCount = 0
  private readonly step: Transfer
  private readonly lastPart: { buffer: Uint8Array; from: number; to: number; bytes: Uint8Array }

  constructor(size: number, placeholder: BlockStore) {
    this.size = size
    this.memory = transferBuffer(2 * size)
    this.bytes = this.memory.subarray(0, size)
    this.scratch = this.memory.subarray(size)
    // The shortest sector has 512 bytes, so a window cannot have more runs than this.
    this.runStarts = new Int32Array(size / 512)
    this.runEnds = new Int32Array(size / 512)
    this.lastPart = { buffer: this.bytes, from: 0, to: size, bytes: this.bytes }
    this.step = createTransfer(placeholder)
  }

  /** Move to guest offset `start`, without any run. */
  moveTo(start: number, virtualSize: number): void {
    this.start = start
    this.length = Math.min(this.size, virtualSize - start)
    this.runCount = 0
  }

  /** Remove the runs, and stay in place. */
  clear(): void {
    this.runCount = 0
  }

  get end(): number {
    return this.start + this.length
  }

  /** Add a run: the overlay supplies guest bytes `start` to `end`, which lie in the window. */
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

  /** True when the window has too many runs to move them one by one. */
  get isDense(): boolean {
    return isDense(this.runCount, this.length)
  }

  /** Make a step, still without any run, that copies runs of such windows from the overlay to `to`. */
  copyRuns({ store, layout }: StoredOverlay, to: BlockStore): CopyRuns {
    return {
      kind: 'copy',
      from: store,
      fromOffset: layout.dataOffset,
      to,
      starts: new Float64Array(copyCapacity),
      ends: new Float64Array(copyCapacity),
      count: 0,
      buffer: this.scratch,
      present: this.bytes,
      position: 0,
    }
  }

  /** True when a step of `copyRuns` has room for the runs of this window. */
  fits(copy: CopyRuns): boolean {
    return copy.count + this.runCount <= copyCapacity
  }

  /** Append the runs to a step of `copyRuns`. */
  appendRuns(copy: CopyRuns): void {
    for (let i = 0; i < this.runCount; i++) {
      copy.starts[copy.count] = this.start + this.runStarts[i]!
      copy.ends[copy.count++] = this.start + this.runEnds[i]!
    }
    copy.position = this.end
  }

  /** Copy a part of `bytes` to its place in `scratch`. */
  protected copyToScratch(from: number, to: number): void {
    this.memory.copyWithin(this.size + from, from, to)
  }

  /** Copy a part of `scratch` to its place in `bytes`. */
  protected copyFromScratch(from: number, to: number): void {
    this.memory.copyWithin(from, this.size + from, this.size + to)
  }

  /** Get a part of a buffer. Callers often want the same part again: scattered writes mostly have one length. */
  private part(buffer: Uint8Array, from: number, to: number): Uint8Array {
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

  protected transfer(
    kind: Transfer['kind'],
    store: BlockStore,
    base: number,
    buffer: Uint8Array,
    from: number,
    to: number,
  ): Transfer {
    this.step.position = kind === 'write' ? this.end : this.start
    return setTransfer(this.step, kind, store, base + from, this.part(buffer, from, to))
  }
}
