import { printablePath } from '../bytes/escape.js'
import { forEachDataStretch } from '../bytes/zeros.js'
import { throwIfAborted, UmlcowError } from '../errors.js'
import { type HostFiles, localHostFiles } from '../machine/host-files.js'
import { checkedOptions, textPath, whole } from '../machine/option-rules.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import type { FileStore } from '../machine/stores/file-store.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../overlays/guard-target.js'
import { openRawSource, type RawInput, type RawSource } from '../overlays/raw-source.js'
import { writeExactNow } from '../stores/block-store.js'
import { type CreateResult, type NewFileVerbOptions, newFileRules } from './create.js'

export interface CreateFromOptions extends NewFileVerbOptions {
  /** Virtual size of the new image, bytes; default that of the input, which must not be larger. */
  readonly size?: number | undefined
}

/**
 * Make a raw image with holes of a raw image that is read once: a file or a stream, as it is or in LZ4, gzip or zstd.
 * Blocks of 4 KiB that hold only zeros become holes.
 *
 * @param from  a path, or bytes with a name for messages
 * @throws      UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC, NOT_RAW, INPUT_TOO_LARGE, SAME_FILE, TARGET_…, and
 *              what the host or the stream throws
 */
export async function createFrom(
  path: string | URL,
  from: RawInput | URL,
  options: CreateFromOptions = {},
): Promise<CreateResult> {
  const place = textPath('path', path)
  const input = typeof from === 'object' && 'bytes' in from ? from : textPath('from', from)
  const checked = checkedOptions(options, { ...newFileRules, size: whole(0) })
  return withUnseenTold(options.files ?? localHostFiles, (files) => makeFrom(files, place, input, checked))
}

async function makeFrom(
  files: HostFiles,
  path: string,
  input: RawInput,
  options: CreateFromOptions,
): Promise<CreateResult> {
  const source = await openRawSource(files, input, options)
  try {
    return await makeOf(files, path, source, options)
  } finally {
    await source.close()
  }
}

async function makeOf(
  files: HostFiles,
  path: string,
  source: RawSource,
  options: CreateFromOptions,
): Promise<CreateResult> {
  if (source.facts !== null)
    refuseSameFile(await targetFacts(files, path), printablePath(path), source.facts, source.name)
  const place = await guardTarget(files, path, options)
  const dryRun = options.dryRun === true
  let virtualSize = options.size ?? 0
  if (dryRun) virtualSize = Math.max(virtualSize, await copySparsely(source, null, options))
  else {
    await writeNewFile(files, place, { permissions: 0o644, ...options }, async (store) => {
      virtualSize = Math.max(virtualSize, await copySparsely(source, store, options))
      await store.truncate(virtualSize)
    })
  }
  return { path, format: 'raw', virtualSize, backingPath: null, dryRun, warnings: [] }
}

/** Write the data of a source, and leave its zeros out. @param store  null: only read @returns bytes of the source */
async function copySparsely(
  { name, bytes }: RawSource,
  store: FileStore | null,
  options: CreateFromOptions,
): Promise<number> {
  const limit = options.size ?? Number.MAX_SAFE_INTEGER
  let at = 0
  for await (const piece of bytes) {
    throwIfAborted(options.signal)
    if (at + piece.length > limit) {
      throw new UmlcowError('INPUT_TOO_LARGE', `${name}: has more than the given size of ${limit} bytes when unpacked`)
    }
    if (store !== null) {
      const start = at
      forEachDataStretch(piece, piece.length, (from, to) => {
        writeExactNow(store, start + from, piece.subarray(from, to))
      })
    }
    at += piece.length
  }
  return at
}
