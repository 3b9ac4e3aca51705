import type { InputReader } from '../../../bytes/input-reader.js'
import { readWord } from '../../../bytes/words.js'
import { UmlcowError } from '../../../errors.js'
import { compressionOf, longestMagic } from '../../../formats/recognise/compressions.js'
import { type CompressionKind, compressionKind } from './kind.js'

/** The first of the 16 magic numbers of frames without content, which LZ4 and zstd share. */
const skippableMagic = 0x184d2a50

/**
 * Find out how a stream is compressed. The reader keeps all bytes, but for skippable frames at the start.
 *
 * @param name  of the stream, for messages
 * @returns     'none' for a stream that begins like no compressed one
 * @throws      UmlcowError NO_CODEC for a kind that umlcow does not read, BAD_COMPRESSED, TRUNCATED_COMPRESSED
 */
export async function sniffCompression(reader: InputReader, name: string): Promise<CompressionKind | 'none'> {
  const start = await reader.peek(longestMagic)
  const found = compressionOf(start)
  if (found !== null) {
    const kind = compressionKind(found.name)
    if (kind !== null) return kind
    throw new UmlcowError('NO_CODEC', `${name}: is compressed with ${found.name}, which umlcow does not read`, {
      hint: `unpack it first: "${found.unpack} FILE > NEW" does that`,
    })
  }
  const isSkippable = start.length >= 8 && readWord(start, 0) - (readWord(start, 0) % 16) === skippableMagic
  if (!isSkippable) return 'none'
  const length = 8 + readWord(start, 4)
  if ((await reader.skip(length)) === length) {
    const next = await sniffCompression(reader, name)
    if (next !== 'none' || (await reader.peek(1)).length === 0) return next
    throw new UmlcowError('BAD_COMPRESSED', `${name}: other data follows a skippable frame`)
  }
  throw new UmlcowError('TRUNCATED_COMPRESSED', `${name}: the compressed data ends too early, in a skippable frame`)
}
