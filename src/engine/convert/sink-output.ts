import { floorTo } from '../../bytes/align.js'
import { isZero } from '../../bytes/zeros.js'
import type { ImageSink } from '../../images/new-image.js'
import type { Call } from '../step.js'

/** Guest bytes of a copy. What the image supplies beyond these comes from its backing file. */
export interface ConvertCounts {
  /** Bytes that the sink stores. */
  stored: number
  /** Bytes that the sink only marks as zeros. */
  zeros: number
  /** Bytes that the source supplies and the copy leaves out: its backing file has the same ones. */
  dropped: number
}

/** What to do with a piece of a window. */
type Fate = 'stored' | 'zeros' | 'dropped'

/** Hands the bytes of a window to a sink: few long stretches instead of many blocks. */
export class SinkOutput {
  readonly counts: ConvertCounts = { stored: 0, zeros: 0, dropped: 0 }
  private readonly sink: ImageSink
  /** Zeros are noticed in blocks of this length. */
  private readonly block: number
  private readonly skipsZeros: boolean

  constructor(sink: ImageSink, zeroUnit: number) {
    this.sink = sink
    this.block = Math.max(sink.unit, zeroUnit)
    this.skipsZeros = zeroUnit > 0
  }

  /**
   * Hand over a range of a window.
   *
   * @param windowStart  guest offset of `bytes`, a multiple of all units
   * @param group        aligned groups of this length have one fate; 0 for the blocks of zeros
   * @param isDropped    true when the group that begins at this place is left out
   */
  *put(
    windowStart: number,
    bytes: Uint8Array,
    range: { readonly start: number; readonly end: number },
    group = 0,
    isDropped: (groupStart: number) => boolean = () => false,
  ): Generator<Call, void, void> {
    const step = group === 0 ? this.block : group
    let fate: Fate = 'stored'
    let start = range.start
    for (let at = range.start; at < range.end; ) {
      const groupStart = floorTo(at, step)
      const end = Math.min(range.end, groupStart + step)
      const next = isDropped(groupStart) ? 'dropped' : this.skipsZeros && isZero(bytes, at, end) ? 'zeros' : 'stored'
      if (next !== fate) {
        if (at > start) yield* this.stretch(fate, windowStart, bytes, start, at)
        fate = next
        start = at
      }
      at = end
    }
    if (range.end > start) yield* this.stretch(fate, windowStart, bytes, start, range.end)
  }

  /** Make guest bytes zeros without any bytes in memory. */
  *putZeros(start: number, end: number): Generator<Call, void, void> {
    this.counts.zeros += end - start
    yield { kind: 'call', position: start, run: () => this.sink.zero(start, end - start) }
  }

  /** Leave out ranges: the backing file has the same bytes. */
  drop(ranges: readonly { readonly start: number; readonly end: number }[]): void {
    for (const { start, end } of ranges) this.counts.dropped += end - start
  }

  private *stretch(
    fate: Fate,
    windowStart: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Generator<Call, void, void> {
    this.counts[fate] += end - start
    const offset = windowStart + start
    if (fate === 'dropped') return
    const run =
      fate === 'stored'
        ? () => this.sink.write(offset, bytes.subarray(start, end))
        : () => this.sink.zero(offset, end - start)
    yield { kind: 'call', position: windowStart + end, run }
  }
}
