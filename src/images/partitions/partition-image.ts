import { checkGuestRange, type Image } from '../image.js'
import type { Partition } from './partition-table.js'

/** View a partition as an image of its own. Closing the view closes the image. */
export function partitionImage(image: Image, { start, length }: Pick<Partition, 'start' | 'length'>): Image {
  const view: Image = {
    virtualSize: length,
    async read(offset, target) {
      checkGuestRange(view, offset, target.length)
      // A partition that lies beyond the end of the image has no bytes.
      if (target.length > 0) await image.read(start + offset, target)
    },
    async *extents(from, extentLength) {
      checkGuestRange(view, from, extentLength)
      if (extentLength === 0) return
      for await (const extent of image.extents(start + from, extentLength)) {
        yield { ...extent, start: extent.start - start }
      }
    },
    close: () => image.close(),
  }
  return view
}
