import type { ByteRange } from '../../../images/compare-ranges.js'

/** Collects ranges in order, and joins those that touch. It keeps the first ones only, and counts all. */
export class ChangedRanges {
  readonly list: { start: number; end: number }[] = []
  /** How many ranges there are, also those that are not in the list. */
  count = 0
  /** Calls of `add`. */
  addCount = 0
  readonly #max: number
  #end = -1

  constructor(max: number) {
    this.#max = max
  }

  add({ start, end }: ByteRange): void {
    this.addCount++
    if (this.#end === start) this.#extend(end)
    else {
      this.count++
      if (this.list.length < this.#max) this.list.push({ start, end })
    }
    this.#end = end
  }

  #extend(end: number): void {
    const last = this.list[this.list.length - 1]
    if (last !== undefined && this.count === this.list.length) last.end = end
  }
}
