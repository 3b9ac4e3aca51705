import { isDense } from '../density.js'

/** What one store supplies of a window. */
export interface Share {
  count: number
  /** Bytes of its parts. */
  length: number
  /** Places in the window: the start of its first part, and the end of its last one. */
  first: number
  last: number
  /** What to add to a place in the window for the place in the store. */
  delta: number
  /** `delta` is the same for all its parts, so that one read gets them all. */
  isStraight: boolean
}

export function sharesFor(storeCount: number): Share[] {
  const empty = { count: 0, length: 0, first: 0, last: 0, delta: 0, isStraight: true }
  return Array.from({ length: storeCount }, () => ({ ...empty }))
}

/** Measure the share of each store. Parts that come from no store count for none. */
export function measureShares(
  shares: readonly Share[],
  starts: readonly number[],
  ends: readonly number[],
  from: readonly number[],
  offsets: readonly number[],
): void {
  for (const share of shares) {
    share.count = 0
    share.length = 0
    share.isStraight = true
  }
  for (let i = 0; i < starts.length; i++) {
    const share = shares[from[i]!]
    if (share === undefined) continue
    const delta = offsets[i]! - starts[i]!
    if (share.count === 0) {
      share.first = starts[i]!
      share.delta = delta
    }
    share.isStraight &&= share.delta === delta
    share.count++
    share.length += ends[i]! - starts[i]!
    share.last = ends[i]!
  }
}

/** True when the store may as well be read from its first part to its last one, straight into the window. */
export function canReadWhole({ count, length, first, last, isStraight }: Share): boolean {
  return count > 1 && isStraight && 2 * length >= last - first
}

/** True when one read of the whole span, and copies in memory, are the faster way. */
export function isDenseShare({ count, isStraight }: Share, windowLength: number): boolean {
  return isStraight && isDense(count, windowLength)
}
