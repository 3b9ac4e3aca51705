import { orInterrupted, throwIfAborted } from '../../errors.js'
import type { ManifestItem } from '../../formats/manifest/entry.js'
import { writeTar } from '../../formats/tar/index.js'
import { blockSize } from '../../formats/tar/layout.js'
import type { HostFiles } from '../../machine/host-files.js'
import { compressStream } from '../../machine/streams/compression/compress-stream.js'
import { storedFrame } from '../../machine/streams/compression/stored-frame.js'
import { type BlockStore, isSyncStore, writeExact, writeExactNow } from '../../stores/block-store.js'
import type { PackCompression, PackOptions } from './options.js'
import { fileItems, manifestItem } from './pack-items.js'
import { packProgress } from './progress.js'
import { type Digests, digestInputs, membersOf, type SurveyedInput, unchanged } from './survey-inputs.js'

// The manifest comes first and has the digests, which take time: SHA-256 takes 1.6 GiB a second, holes included. A pipe
// has to wait for them. In a file, the manifest is a frame of its own that is not compressed, so that its length is known
// before the digests are: the data goes behind it while other threads compute them.

/** A pack that is being made. */
export interface Writing {
  readonly files: HostFiles
  readonly surveyed: readonly SurveyedInput[]
  readonly options: PackOptions & { readonly compression: PackCompression }
  /** They are on their way. */
  readonly digests: Promise<Digests>
  readonly items: () => AsyncGenerator<ManifestItem>
  /** Report that all of the work is done. */
  readonly reportEnd: () => void
}

/** Begin to compute the digests. @param stop  stops that */
export function startWriting(
  files: HostFiles,
  surveyed: readonly SurveyedInput[],
  options: Writing['options'],
  stop: AbortSignal,
): Writing {
  const sizes = surveyed.map(({ input }) => ({
    size: input.store.size,
    times: input.isIncluded && !options.dryRun ? 2 : 1,
  }))
  const size = sizes.reduce((sum, one) => sum + one.size, 0)
  const work = sizes.reduce((sum, one) => sum + one.size * one.times, 0)
  const progress = packProgress(options, size, work)
  const signal = options.signal === undefined ? stop : AbortSignal.any([stop, options.signal])
  const digests = digestInputs(files, surveyed, options, progress, signal)
  // The writer awaits them later; until then, a failure must not end the process.
  digests.catch(() => {})
  const items = () => fileItems(files, surveyed, options, progress)
  return { files, surveyed, options, digests, items, reportEnd: progress.end }
}

/** Write the manifest, then the data. @returns bytes of the pack */
export async function writeInTurn(writing: Writing, store: BlockStore): Promise<number> {
  const members = membersOf(writing.surveyed, await writing.digests)
  const all = async function* (): AsyncGenerator<ManifestItem> {
    yield manifestItem(members)
    yield* writing.items()
  }
  const written = await writeAll(compressed(writing, all()), store, 0, writing.options.signal)
  writing.reportEnd()
  return written
}

/** Write the data behind the place of the manifest, then the manifest. @returns bytes of the pack */
export async function writeAround(writing: Writing, store: BlockStore): Promise<number> {
  const { files, surveyed, options } = writing
  const place = await manifestFrame(membersOf(surveyed, null), options.compression)
  if (place === null) return writeInTurn(writing, store)
  const written = await writeAll(compressed(writing, writing.items()), store, place.length, options.signal)
  const frame = await manifestFrame(membersOf(surveyed, await writing.digests), options.compression)
  if (frame?.length !== place.length) throw new Error('unreachable: digests have one length')
  await writeExact(store, 0, frame)
  for (const { input } of surveyed) await unchanged(files, input, Promise.resolve())
  writing.reportEnd()
  return written
}

function compressed({ options }: Writing, items: AsyncIterable<ManifestItem>): AsyncGenerator<Uint8Array> {
  const { compression: format, level, threads, signal } = options
  return compressStream(writeTar(items), { format, level, threads, signal, reuseMemory: true })
}

/** Make the frame of the manifest; null where it would not have a certain length. */
async function manifestFrame(
  members: ReturnType<typeof membersOf>,
  compression: PackCompression,
): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = []
  const items = async function* (): AsyncGenerator<ManifestItem> {
    yield manifestItem(members)
  }
  for await (const part of writeTar(items())) parts.push(Buffer.from(part))
  // Without the end mark of the archive.
  return storedFrame(Buffer.concat(parts).subarray(0, -2 * blockSize), compression)
}

async function writeAll(
  bytes: AsyncIterable<Uint8Array>,
  store: BlockStore,
  start: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let offset = start
  for await (const piece of bytes) {
    throwIfAborted(signal)
    if (isSyncStore(store)) writeExactNow(store, offset, piece)
    else await orInterrupted(writeExact(store, offset, piece), signal)
    offset += piece.length
  }
  return offset
}
