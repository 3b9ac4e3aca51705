import { Readable } from 'node:stream'
import type { Image } from '../../images/image.js'
import { type GuestRange, imagePieces } from '../../images/image-pieces.js'
import { checkedOptions, type Rules, whole, wrongType } from '../option-rules.js'

function isImage(value: unknown): value is Image {
  return typeof value === 'object' && value !== null && 'read' in value && 'virtualSize' in value
}

const rangeRules: Rules = { start: whole(0), end: whole(0) }

/**
 * Make a Node stream of the guest bytes of an image. `end` is the byte after the last one; in `fs.createReadStream` it
 * is the last one itself.
 *
 * The stream reads 256 KiB when its consumer wants more, and holds at most two such pieces. It closes when all bytes
 * are read, and after `destroy` when the read under way has ended. The image stays open: it is the caller's.
 *
 * @throws UmlcowError OUT_OF_RANGE, TypeError, RangeError; the stream emits what `read` of the image throws
 */
export function imageStream(image: Image, range: GuestRange = {}): Readable {
  if (!isImage(image)) throw wrongType('image', 'an image, as openImage resolves to', image)
  const pieces = imagePieces(image, checkedOptions(range, rangeRules))
  return Readable.from(pieces, { objectMode: false })
}
