import { InputReader } from '../../../bytes/input-reader.js'
import { isZero } from '../../../bytes/zeros.js'
import { UmlcowError } from '../../../errors.js'
import { type DecodeLz4Options, decodeLz4 } from '../../../formats/lz4/index.js'
import { zstdFrames } from '../../../formats/zstd/frames.js'
import { checkedOptions, flag, oneOf, operationRules, type Rules, text } from '../../option-rules.js'
import { type CompressionKind, compressionKinds } from './kind.js'
import { sniffCompression } from './sniff.js'
import { type OnLeftOver, throughTransform, type ZlibStream } from './through-transform.js'
import { withSignal } from './with-signal.js'
import { createGunzip, createUnzstd } from './zlib-streams.js'

export interface DecompressOptions {
  /** Take the source for this kind, whatever its first bytes say. */
  readonly format?: CompressionKind | 'none' | undefined
  /** The source, for messages. */
  readonly name?: string | undefined
  /**
   * Use the memory of a piece again for the next one: faster, for a caller that has done with a piece when it asks for
   * the next. A stream that is piped has not.
   */
  readonly reuseMemory?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const decompressRules: Rules = {
  ...operationRules,
  format: oneOf(['none', ...compressionKinds]),
  name: text,
  reuseMemory: flag,
}

/**
 * Unpack a stream of LZ4, gzip or zstd: all its frames or members. A stream that begins like none of them passes as it
 * is. Checksums are verified; a stream that ends too early, or goes on with anything else, is an error. Zeros may follow
 * gzip members, as in the gzip command.
 *
 * Memory is bounded; the output is as long as the input says, so that the consumer has to stop where its room ends. An error can come after any
 * number of pieces: only the end shows that they are right.
 *
 * @throws UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC, INTERRUPTED; what the source throws
 */
export async function* decompressStream(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  const checked = checkedOptions(options, decompressRules)
  const { name = 'the input' } = checked
  const reader = new InputReader(withSignal(source, checked.signal))
  try {
    const format = checked.format ?? (await sniffCompression(reader, name))
    yield* withSignal(unpack(format, reader, { name, reuseMemory: checked.reuseMemory }), checked.signal)
  } finally {
    await reader.close()
  }
}

function unpack(
  format: CompressionKind | 'none',
  reader: InputReader,
  options: DecodeLz4Options & { readonly name: string },
): AsyncGenerator<Uint8Array> {
  if (format === 'none') return reader.rest()
  if (format === 'lz4') return decodeLz4(reader.rest(), options)
  return format === 'gzip' ? unpackGzip(reader, options.name) : unpackZstd(reader, options.name)
}

async function* unpackGzip(reader: InputReader, name: string): AsyncGenerator<Uint8Array> {
  const onLeftOver: OnLeftOver = (bytes) => {
    if (!isZero(bytes)) throw new UmlcowError('BAD_COMPRESSED', `${name}: other data follows the gzip data`)
  }
  yield* withKnownErrors(throughTransform(reader.rest(), createGunzip(), onLeftOver), 'gzip', name)
}

/** Frame by frame: Node's own stream takes a cut frame for a whole one, and does not look for a second one. */
async function* unpackZstd(reader: InputReader, name: string): AsyncGenerator<Uint8Array> {
  for await (const frame of zstdFrames(reader, name)) {
    const stream: ZlibStream = createUnzstd(name)
    const onLeftOver: OnLeftOver = () => {
      throw new UmlcowError('BAD_COMPRESSED', `${name}: damaged zstd data: a frame goes on after its end`)
    }
    yield* withKnownErrors(throughTransform(frame, stream, onLeftOver), 'zstd', name)
  }
}

/** The errors of node:zlib with codes of umlcow. */
async function* withKnownErrors(
  pieces: AsyncGenerator<Uint8Array>,
  kind: CompressionKind,
  name: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR')
      throw new UmlcowError('TRUNCATED_COMPRESSED', `${name}: the ${kind} data ends too early`, { cause: error })
    if (code?.startsWith('Z_') || code?.startsWith('ZSTD_'))
      throw new UmlcowError('BAD_COMPRESSED', `${name}: damaged ${kind} data: ${message}`, { cause: error })
    throw error
  }
}
