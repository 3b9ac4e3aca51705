import { transferBuffer } from '../../bytes/aligned-buffer.js'
import type { Image } from '../../images/image.js'
import { origin } from '../../images/part-batch.js'
import { type Call, createTransfer, type Step, setTransfer, type Transfer } from '../step.js'
import { canReadWhole, isReadByScratch, measureShares, type Share, sharesFor } from './part-shares.js'
import type { PartSource } from './parts.js'

/**
 * One window of an image to copy: the parts that some layer supplies, and their bytes.
 *
 * Add the parts in order, take the steps of `reads`, then use `bytes`, and call `moveTo` for the next window.
 */
export class PartWindow {
  readonly size: number
  /** Guest offset of the first byte. */
  start = 0
  length = 0
  /** Places in the window, half-open, in order. */
  readonly starts: number[] = []
  readonly ends: number[] = []
  readonly bytes: Uint8Array
  private readonly from: number[] = []
  private readonly offsets: number[] = []
  private readonly memory: Uint8Array
  private readonly source: PartSource
  private readonly shares: readonly Share[]
  private step: Transfer | null = null

  constructor(size: number, source: PartSource) {
    this.size = size
    this.source = source
    this.memory = transferBuffer(2 * size)
    this.bytes = this.memory.subarray(0, size)
    this.shares = sharesFor(source.stores.length)
    this.moveTo(0)
  }

  get end(): number {
    return this.start + this.length
  }

  get count(): number {
    return this.starts.length
  }

  /** True when all parts are known zeros. */
  get isZero(): boolean {
    return this.from.every((from) => from === origin.zeros)
  }

  /** Move to guest offset `start`, without any part. */
  moveTo(start: number): void {
    this.start = start
    this.length = Math.min(this.size, this.source.virtualSize - start)
    for (const list of [this.starts, this.ends, this.from, this.offsets]) list.length = 0
  }

  /** Add a part: guest bytes `start` to `end`, which lie in the window. */
  add(start: number, end: number, from: number, offset: number): void {
    const last = this.count - 1
    const joins = last >= 0 && this.from[last] === from && this.start + this.ends[last]! === start
    if (joins && (from < 0 || this.offsets[last]! + this.ends[last]! - this.starts[last]! === offset)) {
      this.ends[last] = end - this.start
      return
    }
    this.starts.push(start - this.start)
    this.ends.push(end - this.start)
    this.from.push(from)
    this.offsets.push(offset)
  }

  /** Read all parts to their places in `bytes`. The places between `start` and `end` without a part become zeros. */
  *readsOverZeros(start: number, end: number): Generator<Step, void, void> {
    measureShares(this.shares, this.starts, this.ends, this.from, this.offsets)
    const whole = this.shares.findIndex(canReadWhole)
    if (whole >= 0) yield this.readSpan(whole, this.bytes)
    this.clearGaps(start, end)
    yield* this.readParts(whole)
  }

  /** Read all parts to their places in `bytes`, and keep what is there between them. */
  *readsOverBytes(): Generator<Step, void, void> {
    measureShares(this.shares, this.starts, this.ends, this.from, this.offsets)
    yield* this.readParts(-1)
  }

  /** @param whole  the store that was read already */
  private *readParts(whole: number): Generator<Step, void, void> {
    const { from, bytes, shares } = this
    for (let store = 0; store < shares.length; store++) {
      if (store !== whole && isReadByScratch(shares[store]!, this.length)) yield* this.readByScratch(store)
    }
    for (let i = 0; i < this.count; i++) {
      const part = from[i]!
      if (part === origin.zeros) bytes.fill(0, this.starts[i]!, this.ends[i]!)
      else if (part === origin.image) yield imageRead(this.source.image, this.start + this.starts[i]!, this.partOf(i))
      else if (part !== whole && !isReadByScratch(shares[part]!, this.length)) {
        yield this.read(part, this.offsets[i]!, this.partOf(i))
      }
    }
  }

  private partOf(i: number): Uint8Array {
    return this.bytes.subarray(this.starts[i]!, this.ends[i]!)
  }

  private readSpan(store: number, buffer: Uint8Array): Transfer {
    const { first, last, delta } = this.shares[store]!
    return this.read(store, first + delta, buffer.subarray(first, last))
  }

  private *readByScratch(store: number): Generator<Step, void, void> {
    const { storeStart, storeEnd } = this.shares[store]!
    yield this.read(store, storeStart, this.memory.subarray(this.size, this.size + storeEnd - storeStart))
    for (let i = 0; i < this.count; i++) {
      if (this.from[i] !== store) continue
      const place = this.size + this.offsets[i]! - storeStart
      this.memory.copyWithin(this.starts[i]!, place, place + this.ends[i]! - this.starts[i]!)
    }
  }

  private clearGaps(start: number, end: number): void {
    let at = start
    for (let i = 0; i < this.count; i++) {
      if (this.starts[i]! > at) this.bytes.fill(0, at, this.starts[i]!)
      at = this.ends[i]!
    }
    if (at < end) this.bytes.fill(0, at, end)
  }

  private read(index: number, offset: number, target: Uint8Array): Transfer {
    const { store } = this.source.stores[index]!
    this.step ??= createTransfer(store)
    this.step.position = this.start
    return setTransfer(this.step, 'read', store, offset, target)
  }
}

function imageRead(image: Image | null, start: number, target: Uint8Array): Call {
  if (image === null) throw new Error('unreachable: only images have such parts')
  return { kind: 'call', position: start, run: () => image.read(start, target) }
}
