import { InputReader } from '../../bytes/input-reader.js'
import { copyStream } from '../../engine/convert/copy-stream.js'
import type { ConvertCounts } from '../../engine/convert/sink-output.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import { isPlain } from '../../images/image-formats.js'
import type { ImageSink } from '../../images/new-image.js'
import { readHead } from '../../images/probe.js'
import { openRawImage } from '../../images/raw-image.js'
import { createRawSink } from '../../images/raw-sink.js'
import type { HostFiles } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { sniffCompression } from '../../machine/streams/compression/sniff.js'
import { halfOfProgress, withReadProgress } from '../../machine/streams/with-read-progress.js'
import { removeQuietly, temporaryPathIn } from '../../machine/write-new-file.js'
import { closeOnFailure, type ProbedFile } from '../../overlays/open.js'
import type { FileImage } from '../../overlays/open-image.js'
import { type RawInput, rawBytes, storePieces } from '../../overlays/raw-source.js'
import type { ConvertOptions } from './options.js'

/** A raw image that is read once, from start to end: a stream, or a compressed file. */
export interface RawStream {
  /** For messages and results. */
  readonly path: string
  /** The file of a compressed image; none for a stream. */
  readonly sources: readonly ProbedFile[]
  readonly bytes: AsyncIterable<Uint8Array>
}

/** @throws UmlcowError USAGE for a format that cannot be read from start to end */
export function rawStreamOf({ name, bytes }: Exclude<RawInput, string>, options: ConvertOptions): RawStream {
  const { inputFormat, backing, signal } = options
  if ((inputFormat ?? 'raw') !== 'raw' || backing !== undefined) {
    throw new UmlcowError('USAGE', `${name}: a stream can only be a raw image, which has no backing file`)
  }
  return {
    path: name,
    sources: [],
    bytes: rawBytes(reading(bytes, null, options), name, signal, inputFormat === 'raw'),
  }
}

/**
 * The unpacked bytes of an open file; null when it is not compressed. The bytes of a file that the caller calls raw are
 * those of the image, whatever it begins with.
 *
 * @throws UmlcowError NO_CODEC, BAD_COMPRESSED, TRUNCATED_COMPRESSED
 */
export async function compressedInput(
  path: string,
  { files }: FileImage,
  options: ConvertOptions,
): Promise<RawStream | null> {
  const { inputFormat, signal } = options
  const file = files[0]!
  if (inputFormat !== undefined || !isPlain(file.format)) return null
  const { name } = file.store
  const reader = new InputReader(storePieces(file.store, file.head.length))
  try {
    if ((await sniffCompression(reader, name)) === 'none') return null
  } finally {
    await reader.close()
  }
  // What is unpacked beside the output has to be copied afterwards.
  const progress = unpacksBeside(options) ? halfOfProgress(options, 'first') : options
  const packed = reading(storePieces(file.store), file.store.size, progress)
  return { path, sources: [file], bytes: rawBytes(packed, name, signal) }
}

function reading(bytes: AsyncIterable<Uint8Array>, size: number | null, options: ConvertOptions) {
  return withReadProgress(bytes, { ...options, size, description: 'convert' })
}

/** The tables of other formats need the size of the image, which only the end of a stream shows. */
export function unpacksBeside({ format = 'raw', dryRun }: ConvertOptions): boolean {
  return format !== 'raw' && !dryRun
}

/** Takes all bytes and keeps none. */
const noSink: ImageSink = {
  unit: 512,
  write: () => undefined,
  zero: () => undefined,
  finish: async () => {},
}

/** Read an input to its end, so that all its damage shows. @returns the length of the image */
export function measureInput(input: RawStream): Promise<number> {
  return copyStream(input.bytes, noSink, 0, { stored: 0, zeros: 0, dropped: 0 })
}

/** Make a raw image of an input. The sink asks for its size at the end. @returns the length of the image */
export async function copyInput(
  input: RawStream,
  sinkOf: (size: () => number) => ImageSink,
  zeroUnit: number,
  counts: ConvertCounts,
): Promise<number> {
  let size = 0
  const sink = sinkOf(() => size)
  size = await copyStream(input.bytes, sink, zeroUnit, counts)
  await sink.finish()
  return size
}

const keptZeroUnit = 4096

/**
 * Unpack an input into a sparse file beside the output, for formats whose tables need its size. The file has no name
 * from the start where the host allows that. Its image removes it.
 */
export async function unpackBeside(
  files: HostFiles,
  input: RawStream,
  output: Buffer,
  signal: AbortSignal | undefined,
): Promise<FileImage> {
  const path = temporaryPathIn(directoryName(output))
  const store = await files.open(path, 'createNew', { permissions: 0o600, name: `${input.path}, unpacked` })
  let isNamed = true
  const close = async () => {
    await store.close()
    if (isNamed) await removeQuietly(files, path)
  }
  return closeOnFailure({ close }, async () => {
    isNamed = !(await isUnlinked(files, path))
    const counts = { stored: 0, zeros: 0, dropped: 0 }
    await copyInput(input, (size) => createRawSink(store, size), keptZeroUnit, counts)
    throwIfAborted(signal)
    return imageOf(files, path, store, close)
  })
}

/** Some network file systems keep the name of an open file, or refuse to remove it. */
async function isUnlinked(files: HostFiles, path: Buffer): Promise<boolean> {
  await removeQuietly(files, path)
  return (await files.lstatOrNull(path)) === null
}

async function imageOf(
  files: HostFiles,
  path: Buffer,
  store: FileStore,
  close: () => Promise<void>,
): Promise<FileImage> {
  const file = { path, store, facts: files.statOpen(store), format: 'raw', head: await readHead(store) } as const
  return { ...openRawImage(store), close, files: [file], plain: file }
}
