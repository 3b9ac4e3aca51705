import { InputReader } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { foreignFormatOf } from '../../formats/recognise/foreign-format.js'
import { kindLength, recogniseStream } from '../../formats/recognise/recognise-stream.js'
import { blockSize } from '../../formats/tar/layout.js'
import { formatOf, isPlain } from '../../images/image-formats.js'

/**
 * Pass a stream on, unless it begins as no tar archive does. The tar reader explains a stream that ends before that
 * shows.
 *
 * @throws UmlcowError NOT_PACK, which says what the stream is
 */
export async function* recognisedPack(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const input = new InputReader(source)
  try {
    const start = await input.peek(kindLength)
    const other = otherThanTar(start)
    if (other !== null) throw new UmlcowError('NOT_PACK', `${name}: is not a pack: ${other.what}`, { hint: other.hint })
    yield* input.rest()
  } finally {
    await input.close()
  }
}

const toPack = '"umlcow pack OUT FILE" makes a pack of a file'

/** Say what a stream is and what the user can do; null for a tar archive. */
function otherThanTar(start: Uint8Array): { readonly what: string; readonly hint: string } | null {
  const format = formatOf(start)
  if (!isPlain(format)) return { what: `it is an image in ${format} format`, hint: toPack }
  const found = recogniseStream(start)
  if (found?.kind === 'tar') return null
  if (found?.kind === 'compressed') {
    const { description, hint } = foreignFormatOf(start)!
    return { what: `it is ${description}`, hint }
  }
  if (found?.kind === 'old cpio') return { what: 'it is a cpio archive', hint: toPack }
  if (found !== null) return { what: `it is ${nouns[found.kind]}`, hint: toPack }
  if (start.length < blockSize) return null
  return { what: 'it begins as no tar archive does; it may be a raw image, or damaged', hint: toPack }
}

const nouns = {
  cpio: 'a cpio archive',
  mtree: 'mtree text',
  fakeroot: 'a save file of fakeroot',
  zip: 'a zip archive',
  'squashfs image': 'a squashfs image',
  'disk image': 'a disk image',
} as const
