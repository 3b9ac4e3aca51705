import { ceilTo, floorTo } from '../../bytes/align.js'
import { allocate, compareBytes } from '../../bytes/fast.js'
import { createTransfer, type Steps, setTransfer, type Transfer } from '../step.js'
import type { PartWindow } from './part-window.js'
import type { PartStore } from './parts.js'
import type { WindowWork } from './place-parts.js'
import type { SinkOutput } from './sink-output.js'

/** The backing file of a new image. */
export interface Below {
  /** Its guest bytes. Beyond its end they are zeros. */
  readonly backing: PartStore
  /**
   * Leave out aligned groups of this many bytes, a power of two, that are the same in the backing file. Null: keep all
   * that the source supplies.
   */
  readonly dropEqual: number | null
}

interface Range {
  start: number
  end: number
}

/** The windows of a copy over a backing file. */
export class OverWindow implements WindowWork {
  readonly needsZeros = true
  readonly longZeros: WindowWork['longZeros']
  private readonly window: PartWindow
  private readonly unit: number
  private readonly group: number
  private readonly below: Below
  private readonly output: SinkOutput
  /** The backing file's bytes of the window. */
  private belowBytes: Uint8Array | null = null
  private readonly step: Transfer

  constructor(window: PartWindow, unit: number, zeroUnit: number, below: Below, output: SinkOutput) {
    this.window = window
    this.unit = unit
    this.group = Math.max(unit, below.dropEqual ?? 0)
    this.below = below
    this.output = output
    this.step = createTransfer(below.backing.store)
    const isSimple = below.dropEqual === null && zeroUnit > 0
    this.longZeros = isSimple ? (start, end) => output.putZeros(start, end) : undefined
  }

  *full(): Steps {
    const { window, below } = this
    if (window.count === 0) return
    const { ranges, isPartial } = this.wholeUnits()
    const start = floorTo(ranges[0]!.start, this.group)
    const end = Math.min(window.length, ceilTo(ranges.at(-1)!.end, this.group))
    const compares = below.dropEqual !== null
    if (isPartial || compares) {
      const isHole = yield* this.isHole(start, end)
      if (isHole && compares && window.isZero) {
        this.output.drop(ranges)
        return
      }
      const bytes = yield* this.readBelow(start, end, isHole)
      window.bytes.set(bytes.subarray(start, end), start)
    }
    yield* window.readsOverBytes()
    for (const range of ranges) {
      if (compares) yield* this.output.put(window.start, window.bytes, range, this.group, this.isSameGroup)
      else yield* this.output.put(window.start, window.bytes, range)
    }
  }

  /** List the units of the sink that any part touches. */
  private wholeUnits(): { ranges: Range[]; isPartial: boolean } {
    const { starts, ends, length } = this.window
    const ranges: Range[] = []
    let supplied = 0
    let covered = 0
    for (let i = 0; i < starts.length; i++) {
      const start = floorTo(starts[i]!, this.unit)
      const end = Math.min(length, ceilTo(ends[i]!, this.unit))
      supplied += ends[i]! - starts[i]!
      const last = ranges.at(-1)
      if (last !== undefined && start <= last.end) {
        covered += Math.max(0, end - last.end)
        last.end = Math.max(last.end, end)
      } else {
        covered += end - start
        ranges.push({ start, end })
      }
    }
    return { ranges, isPartial: covered > supplied }
  }

  /** Find out whether the backing file is known to have only zeros there. */
  private *isHole(start: number, end: number): Generator<Transfer, boolean, void> {
    const { data } = this.below.backing
    if (data === undefined) return false
    if (data.end <= this.window.start + start) yield* data.find(this.window.start + start)
    return data.start >= this.window.start + end
  }

  private *readBelow(start: number, end: number, isHole: boolean): Generator<Transfer, Uint8Array, void> {
    this.belowBytes ??= allocate(this.window.size)
    if (isHole) return this.belowBytes.fill(0, start, end)
    this.step.position = this.window.start
    const target = this.belowBytes.subarray(start, end)
    yield setTransfer(this.step, 'read', this.below.backing.store, this.window.start + start, target)
    return this.belowBytes
  }

  /** True when the backing file has the same bytes in the group that begins at this place. */
  private readonly isSameGroup = (start: number): boolean => {
    const end = Math.min(this.window.length, start + this.group)
    return compareBytes(this.window.bytes, start, end, this.belowBytes!, start, end) === 0
  }
}
