import { copyOf } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { readWord } from '../../bytes/words.js'
import { decodeFrame, readLz4Bytes } from './decode-frame.js'
import { decodeLegacyFrame } from './decode-legacy.js'
import { badLz4, truncatedLz4 } from './error.js'
import { frameMagic, legacyMagic, skippableMagic, skippableMagicCount } from './layout.js'
import { StreamAccelerator } from './wasm/stream-accelerator.js'

export interface DecodeLz4Options {
  /** The input, for messages. */
  readonly name?: string | undefined
  /**
   * Use the memory of a piece again for the next one: faster, for a caller that has done with a piece when it asks for
   * the next. A stream that is piped has not.
   */
  readonly reuseMemory?: boolean | undefined
}

function isSkippable(magic: number): boolean {
  return magic >= skippableMagic && magic < skippableMagic + skippableMagicCount
}

/**
 * Unpack LZ4 frames: all that the input has, one after another, legacy and skippable frames too. Every checksum and
 * size is verified, and anything else between or after the frames is an error, as in the lz4 command.
 *
 * The generator takes at most 17 MiB besides its pieces, whatever the input says. Pieces before a damaged place are right if their frame has block checksums, else only the end
 * of a frame shows whether its content is right.
 *
 * @throws UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC (a frame that needs a dictionary)
 */
export async function* decodeLz4(
  source: AsyncIterable<Uint8Array>,
  { name = 'the input', reuseMemory = false }: DecodeLz4Options = {},
): AsyncGenerator<Uint8Array> {
  for await (const piece of decodeFrames(source, name)) yield reuseMemory ? piece : copyOf(piece)
}

async function* decodeFrames(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const reader = new InputReader(source)
  const stream = new StreamAccelerator()
  try {
    while (true) {
      const place = { name, offset: reader.offset }
      const start = await reader.upTo(4)
      if (start.length === 0) return
      const magic = start.length < 4 ? -1 : readWord(start, 0)
      if (magic === frameMagic) yield* decodeFrame(reader, name, stream)
      else if (magic === legacyMagic) yield* decodeLegacyFrame(reader, name, stream)
      else if (isSkippable(magic)) await skipFrame(reader, name)
      else throw badLz4(place, 'no frame')
    }
  } finally {
    await reader.close()
  }
}

async function skipFrame(reader: InputReader, name: string): Promise<void> {
  const length = readWord(await readLz4Bytes(reader, 4, name), 0)
  if ((await reader.skip(length)) < length) throw truncatedLz4({ name, offset: reader.offset })
}
