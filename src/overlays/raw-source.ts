import { cutBlocks } from '../bytes/cut-blocks.js'
import { printablePath } from '../bytes/escape.js'
import { allocateUnsafe } from '../bytes/fast.js'
import type { InputPieces } from '../bytes/input-reader.js'
import { UmlcowError } from '../errors.js'
import { foreignFormatOf } from '../formats/recognise/foreign-format.js'
import { formatOf, isPlain } from '../images/image-formats.js'
import type { FileFacts, HostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation-options.js'
import type { FileStore } from '../machine/stores/file-store.js'
import { decompressStream } from '../machine/streams/compression/decompress-stream.js'
import { withReadProgress } from '../machine/streams/with-read-progress.js'
import { openInput } from './open.js'

/** A raw image that is read once, from its start to its end: a file by path, or bytes from elsewhere. */
export type RawInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

/** An open raw image, unpacked where it is compressed. */
export interface RawSource {
  /** For messages. */
  readonly name: string
  /** Null for bytes from elsewhere. */
  readonly facts: FileFacts | null
  /** The guest's bytes, once, in pieces of 256 KiB; only the last is shorter. The memory of a piece is used again for the next one: copy what has to stay. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Close the file. A stream is the caller's. */
  close(): Promise<void>
}

export type RawSourceOptions = Pick<OperationOptions, 'signal' | 'onProgress'>

const pieceSize = 256 * 1024

/**
 * Open a raw image that may be compressed with LZ4, gzip or zstd, to read it from start to end.
 *
 * `bytes` fails with NOT_RAW when the input, unpacked, is an image of another format, with BAD_COMPRESSED or
 * TRUNCATED_COMPRESSED when it is damaged, and with NO_CODEC for a compression that umlcow does not read.
 *
 * @throws UmlcowError NOT_A_FILE, or the system's code
 */
export async function openRawSource(
  files: HostFiles,
  input: RawInput,
  options: RawSourceOptions = {},
): Promise<RawSource> {
  const { signal } = options
  const reading = (bytes: AsyncIterable<Uint8Array>, size: number | null) =>
    withReadProgress(bytes, { ...options, size, description: 'create' })
  if (typeof input !== 'string') {
    const { name, bytes } = input
    return { name, facts: null, bytes: rawBytes(reading(bytes, null), name, signal), close: async () => {} }
  }
  const { store, facts } = await openInput(files, input)
  const name = printablePath(input)
  return {
    name,
    facts,
    bytes: rawBytes(reading(storePieces(store), store.size), name, signal),
    close: () => store.close(),
  }
}

/** The bytes of a file, piece by piece in the same memory. */
export function storePieces(store: FileStore, length = pieceSize): AsyncIterable<Uint8Array> & InputPieces {
  let at = 0
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const memory = allocateUnsafe(length)
    while (at < store.size) {
      const count = store.readNow(at, memory)
      if (count === 0) return
      at += count
      yield memory.subarray(0, count)
    }
  }
  const skip = (count: number): number => {
    const skipped = Math.max(0, Math.min(count, store.size - at))
    at += skipped
    return skipped
  }
  return Object.assign(pieces(), { skip })
}

/**
 * Unpack the bytes of a raw image where they are compressed.
 *
 * @param takesAny  take them as they are, whatever they begin with
 * @returns         pieces as those of `RawSource.bytes`
 */
export async function* rawBytes(
  packed: AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
  takesAny = false,
): AsyncGenerator<Uint8Array> {
  let isFirst = !takesAny
  const unpacked = decompressStream(packed, { name, signal, reuseMemory: true, format: takesAny ? 'none' : undefined })
  for await (const piece of cutBlocks(unpacked, pieceSize)) {
    if (isFirst) refuseOtherFormats(piece, name)
    isFirst = false
    yield piece
  }
}

/** @param start  the first piece of an image */
function refuseOtherFormats(start: Uint8Array, name: string): void {
  const format = formatOf(start)
  const foreign = isPlain(format) ? foreignFormatOf(start) : null
  if (isPlain(format) && foreign === null) return
  const what = foreign?.description ?? `an image in ${format} format`
  throw new UmlcowError('NOT_RAW', `${name}: is ${what}: expected a raw image, as it is or in one compression`, {
    hint: foreign?.hint ?? '"umlcow merge FILE NEW" makes a raw image of it; unpack it first if it is compressed',
  })
}
