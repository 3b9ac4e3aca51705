import { ceilTo, floorTo } from '../bytes/align.js'
import { allocateUnsafe, compareBytes } from '../bytes/fast.js'
import { throwIfAborted } from '../errors.js'
import type { Image } from './image.js'

/** Bytes, half-open. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Bytes that both images have, or that they differ in. */
export interface ComparedRange extends ByteRange {
  readonly isSame: boolean
}

export interface CompareRangesOptions {
  /** Bytes that are equal or different as a whole; a power of two, at most 256 KiB. */
  readonly unit: number
  readonly signal?: AbortSignal | undefined
}

/** Bytes read from each image at once. */
const windowLength = 256 * 1024

/**
 * Compare stretches of two images. Bytes beyond the end of the smaller image count as zeros.
 *
 * @param ranges  where they may differ, in order
 * @returns       the ranges, widened to whole units and joined where they touch, cut where the answer changes
 */
export async function* compareRanges(
  old: Image,
  now: Image,
  ranges: AsyncIterable<ByteRange> | Iterable<ByteRange>,
  options: CompareRangesOptions,
): AsyncGenerator<ComparedRange> {
  let held: ComparedRange | undefined
  for await (const found of compareWindows(old, now, ranges, options)) {
    if (held?.end === found.start && held.isSame === found.isSame) {
      held = { ...held, end: found.end }
      continue
    }
    if (held !== undefined) yield held
    held = found
  }
  if (held !== undefined) yield held
}

async function* compareWindows(
  old: Image,
  now: Image,
  ranges: AsyncIterable<ByteRange> | Iterable<ByteRange>,
  { unit, signal }: CompareRangesOptions,
): AsyncGenerator<ComparedRange> {
  const size = Math.max(old.virtualSize, now.virtualSize)
  const [before, after] = [allocateUnsafe(windowLength), allocateUnsafe(windowLength)]
  let done = 0
  for await (const { start, end } of ranges) {
    const last = Math.min(size, ceilTo(end, unit))
    for (let at = Math.max(done, floorTo(start, unit)); at < last; at = done) {
      throwIfAborted(signal)
      done = Math.min(last, at + windowLength)
      const [a, b] = [before.subarray(0, done - at), after.subarray(0, done - at)]
      await readOrZero(old, at, a)
      await readOrZero(now, at, b)
      yield* compareUnits(a, b, at, unit)
    }
  }
}

function* compareUnits(a: Uint8Array, b: Uint8Array, at: number, unit: number): Generator<ComparedRange> {
  const { length } = a
  if (compareBytes(a, 0, length, b, 0, length) === 0) {
    yield { start: at, end: at + length, isSame: true }
    return
  }
  const isSameAt = (from: number) => {
    const to = Math.min(length, from + unit)
    return compareBytes(a, from, to, b, from, to) === 0
  }
  for (let from = 0; from < length; ) {
    const isSame = isSameAt(from)
    let to = from + unit
    while (to < length && isSameAt(to) === isSame) to += unit
    yield { start: at + from, end: at + Math.min(length, to), isSame }
    from = to
  }
}

/** Fill `target`, with zeros beyond the end of the image. */
async function readOrZero(image: Image, offset: number, target: Uint8Array): Promise<void> {
  const length = Math.max(0, Math.min(target.length, image.virtualSize - offset))
  if (length > 0) await image.read(offset, target.subarray(0, length))
  target.fill(0, length)
}
