/** The stretches of a file that hold data: `[start, end, start, end, ...]`, ascending and apart. The rest is zeros. */
export type Stretches = Float64Array

const firstCapacity = 64

/** Collects stretches. Its memory grows with what comes, up to a limit. */
export class StretchList {
  /** Bytes in all stretches. */
  total = 0
  /** End of the last stretch. */
  end = 0
  private places = new Float64Array(firstCapacity)
  private length = 0
  private readonly limit: number

  /** @param limit  the most stretches */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Whether another stretch may not fit. */
  get isFull(): boolean {
    return this.length >= 2 * this.limit
  }

  /** Add a stretch at or after the end of the last one. It joins stretches that touch. */
  add(start: number, end: number): void {
    if (end === start) return
    this.total += end - start
    this.end = end
    if (this.length > 0 && this.places[this.length - 1] === start) {
      this.places[this.length - 1] = end
      return
    }
    if (this.length === this.places.length) this.grow()
    this.places[this.length++] = start
    this.places[this.length++] = end
  }

  /** Add a stretch; when the list is full, add it and the gap before it to the last stretch. */
  cover(start: number, end: number): void {
    this.add(this.isFull && end > start ? this.end : start, end)
  }

  /** Get the stretches. They share the memory of the list. */
  stretches(): Stretches {
    return this.places.subarray(0, this.length)
  }

  private grow(): void {
    const grown = new Float64Array(2 * this.places.length)
    grown.set(this.places)
    this.places = grown
  }
}
