import { floorDivide } from '../../../bytes/align.js'
import { type Extent, joinExtents } from '../../../bytes/extents.js'
import { viewOf } from '../../../bytes/struct.js'
import { journalMagic } from '../../../formats/ext/index.js'
import { checkGuestRange, type Image } from '../../../images/image.js'
import type { Replay } from './replay-journal.js'

/** What a view of an image after a replay needs. */
export interface ReplayedBlocks extends Pick<Replay, 'places' | 'escaped'> {
  readonly blockSize: number
  /** The blocks of the file system, ascending. */
  readonly numbers: Float64Array
}

/** Make the view of an image as it is after a replay. It does not own the image. */
export function openReplayedImage(image: Image, replayed: ReplayedBlocks): Image {
  const { blockSize, numbers, places, escaped } = replayed

  async function readReplayed(number: number, from: number, target: Uint8Array): Promise<void> {
    await image.read(places.get(number)! * blockSize + from, target)
    if (from >= 4 || !escaped.has(number)) return
    const magic = new Uint8Array(4)
    viewOf(magic).setUint32(0, journalMagic, false)
    target.set(magic.subarray(from, from + target.length))
  }

  return {
    virtualSize: image.virtualSize,
    async read(offset, target) {
      checkGuestRange(image, offset, target.length)
      await image.read(offset, target)
      const end = offset + target.length
      for (let i = indexFrom(numbers, floorDivide(offset, blockSize)); i < numbers.length; i++) {
        const number = numbers[i]!
        const start = Math.max(offset, number * blockSize)
        const stop = Math.min(end, (number + 1) * blockSize)
        if (start >= stop) return
        await readReplayed(number, start - number * blockSize, target.subarray(start - offset, stop - offset))
      }
    },
    extents: (start, length) => joinExtents(cutExtents(image.extents(start, length), replayed)),
    close: async () => {},
  }
}

/** Find the first number that is not less. */
function indexFrom(numbers: Float64Array, number: number): number {
  let [from, to] = [0, numbers.length]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    if (numbers[middle]! < number) from = middle + 1
    else to = middle
  }
  return from
}

/** Replayed blocks are data that is elsewhere in the file. */
async function* cutExtents(
  extents: AsyncIterable<Extent>,
  { numbers, blockSize }: ReplayedBlocks,
): AsyncGenerator<Extent> {
  for await (const extent of extents) {
    const end = extent.start + extent.length
    let at = extent.start
    for (let i = indexFrom(numbers, floorDivide(at, blockSize)); at < end; i++) {
      const start = i < numbers.length ? Math.min(end, numbers[i]! * blockSize) : end
      if (start > at) yield partOf(extent, at, start)
      at = Math.max(at, start)
      if (at === end) break
      const stop = Math.min(end, (numbers[i]! + 1) * blockSize)
      yield { start: at, length: stop - at, depth: 0, data: true, zero: false }
      at = stop
    }
  }
}

function partOf(extent: Extent, start: number, end: number): Extent {
  const part = { ...extent, start, length: end - start }
  return extent.offset === undefined ? part : { ...part, offset: extent.offset + start - extent.start }
}
