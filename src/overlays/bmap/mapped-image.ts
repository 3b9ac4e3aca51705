import { writeZeros } from '../../bytes/fast.js'
import type { Stretches } from '../../bytes/stretch-list.js'
import type { Image } from '../../images/image.js'
import { addPart, isFull, origin, type PartLister } from '../../images/part-batch.js'

/** See a raw image through a block map: what lies in no stretch reads as zeros. */
export function mappedImage(image: Image, stretches: Stretches): PartLister {
  return {
    virtualSize: image.virtualSize,
    async read(offset, target) {
      await image.read(offset, target)
      for (const [start, end, isMapped] of parts(stretches, offset, target.length)) {
        if (!isMapped) writeZeros(target, start - offset, end - offset)
      }
    },
    async *extents(start, length) {
      for (const [from, to, isMapped] of parts(stretches, start, length)) {
        const extent = { start: from, length: to - from, depth: 0 }
        yield isMapped
          ? { ...extent, data: true, zero: false, offset: from }
          : { ...extent, data: false, zero: true, offset: from }
      }
    },
    listParts(start, end, _layers, batch) {
      let at = start
      for (const [from, to, isMapped] of parts(stretches, start, end - start)) {
        if (isFull(batch)) break
        addPart(batch, from, to, isMapped ? origin.image : origin.zeros, 0)
        at = to
      }
      return at
    },
    close: () => image.close(),
  }
}

/** Tile a part of an image by stretches and the gaps between them. */
function* parts(
  stretches: Stretches,
  start: number,
  length: number,
): Generator<readonly [start: number, end: number, isMapped: boolean]> {
  const end = start + length
  let at = start
  for (let i = firstAfter(stretches, start); at < end; i += 2) {
    const from = Math.min(end, stretches[i] ?? end)
    const to = Math.min(end, stretches[i + 1] ?? end)
    if (from > at) yield [at, from, false]
    at = Math.max(at, from)
    if (to > at) yield [at, to, true]
    at = Math.max(at, to)
  }
}

/** Find the index of the first stretch that ends after `offset`. */
function firstAfter(stretches: Stretches, offset: number): number {
  let [low, high] = [0, stretches.length / 2]
  while (low < high) {
    const middle = (low + high - ((low + high) % 2)) / 2
    if (stretches[2 * middle + 1]! > offset) high = middle
    else low = middle + 1
  }
  return 2 * low
}
