import type { Extent } from '../../bytes/extents.js'
import { forEachDataStretch } from '../../bytes/zeros.js'
import { throwIfAborted } from '../../errors.js'
import type { Image } from '../../images/image.js'

const scanWindow = 256 * 1024

/** Split extents of data where blocks of 4 KiB are all zeros. */
export async function* splitZeroes(
  image: Image,
  extents: AsyncIterable<Extent>,
  signal?: AbortSignal,
): AsyncGenerator<Extent> {
  const buffer = Buffer.allocUnsafeSlow(scanWindow)
  for await (const extent of extents) {
    if (!extent.data || extent.zero) {
      yield extent
      continue
    }
    const end = extent.start + extent.length
    for (let at = extent.start; at < end; ) {
      throwIfAborted(signal)
      const windowEnd = Math.min(end, at - (at % scanWindow) + scanWindow)
      const bytes = buffer.subarray(0, windowEnd - at)
      await image.read(at, bytes)
      yield* zeroesOf(bytes, at, extent)
      at = windowEnd
    }
  }
}

function zeroesOf(bytes: Buffer, start: number, extent: Extent): Extent[] {
  const found: Extent[] = []
  const add = (from: number, to: number, zero: boolean) => {
    if (from === to) return
    const offset = extent.offset === undefined ? {} : { offset: extent.offset + (start + from - extent.start) }
    found.push({ ...extent, start: start + from, length: to - from, zero, ...offset })
  }
  let at = 0
  forEachDataStretch(bytes, bytes.length, (from, to) => {
    add(at, from, true)
    add(from, to, false)
    at = to
  })
  add(at, bytes.length, true)
  return found
}
