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
  /** Places in the store, while its parts come in order there, too. */
  storeStart: number
  storeEnd: number
  isAscending: boolean
}

export function sharesFor(storeCount: number): Share[] {
  const places = { first: 0, last: 0, delta: 0, storeStart: 0, storeEnd: 0 }
  const empty = { count: 0, length: 0, ...places, isStraight: true, isAscending: true }
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
    share.isAscending = true
  }
  for (let i = 0; i < starts.length; i++) {
    const share = shares[from[i]!]
    if (share === undefined) continue
    const delta = offsets[i]! - starts[i]!
    if (share.count === 0) {
      share.first = starts[i]!
      share.delta = delta
      share.storeStart = offsets[i]!
      share.storeEnd = offsets[i]!
    }
    share.isStraight &&= share.delta === delta
    share.isAscending &&= offsets[i]! >= share.storeEnd
    share.storeEnd = offsets[i]! + ends[i]! - starts[i]!
    share.count++
    share.length += ends[i]! - starts[i]!
    share.last = ends[i]!
  }
}

/** True when the store may as well be read from its first part to its last one, straight into the window. */
export function canReadWhole({ count, length, first, last, isStraight }: Share): boolean {
  return count > 1 && isStraight && 2 * length >= last - first
}

/** Parts up to this length cost less to copy in memory than to read one by one, bytes. */
const shortPart = 16 * 1024

/**
 * True when one read of the whole span in the store, and copies in memory, are the faster way: for many parts of a window,
 * and for short ones that lie close together in the store, such as clusters of a qcow2 image.
 */
export function isReadByScratch(share: Share, windowLength: number): boolean {
  const { count, length, storeStart, storeEnd, isStraight, isAscending } = share
  if (isStraight && isDense(count, windowLength)) return true
  const span = storeEnd - storeStart
  return isAscending && count > 1 && length <= count * shortPart && span <= 2 * length && span <= windowLength
}
