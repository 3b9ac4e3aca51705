import { orInterrupted, throwIfAborted } from '../../errors.js'
import { writeTar } from '../../formats/tar/index.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressInParts } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { compressStream } from '../../machine/streams/compression/compress-stream.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import { type BlockStore, isSyncStore, writeExact, writeExactNow } from '../../stores/block-store.js'
import { type PackInput, PackInputs } from './open-inputs.js'
import { type PackOptions, type PackResult, packRules } from './options.js'
import { packItems } from './pack-items.js'
import { surveyInputs } from './survey-inputs.js'

/**
 * Pack overlays with their backing files, and images: one compressed stream that keeps holes, modification times and
 * what belongs together. `unpack` takes it apart, and so does `lz4 -d | tar -xS`.
 *
 * It reads every file twice: the manifest, with the digest of each file, comes first. The pack appears under its name
 * whole or not at all. A stream is ended, or destroyed after a part, as `merge` does.
 *
 * @param inputs  overlays and images. The backing file of an overlay is packed, too, unless `delta` is set
 * @throws        UmlcowError SAME_FILE, TARGET_…, IN_USE, BACKING_…, ENTRY_UNFIT, INPUT_CHANGED, INTERRUPTED
 */
export async function pack(
  target: OutputTarget | URL | OutputStream,
  inputs: readonly (string | URL)[],
  options: PackOptions = {},
): Promise<PackResult> {
  const paths = inputs.map((input, i) => textPath(`inputs[${i}]`, input))
  const checked = checkedOptions(options, packRules)
  return withOutput(target, { what: 'a pack', signal: checked.signal }, (place) =>
    withUnseenTold(options.files ?? localHostFiles, (files) => packFiles(files, place, paths, checked)),
  )
}

async function packFiles(
  files: HostFiles,
  target: OutputTarget,
  paths: readonly string[],
  options: PackOptions,
): Promise<PackResult> {
  const inputs = new PackInputs(files, options)
  try {
    await inputs.open(paths)
    return await writePack(files, target, inputs, options)
  } finally {
    await inputs.close()
  }
}

async function writePack(
  files: HostFiles,
  target: OutputTarget,
  inputs: PackInputs,
  options: PackOptions,
): Promise<PackResult> {
  const { compression = 'lz4', level, threads, dryRun = false } = options
  const place = await guardPlace(files, target, inputs, options)
  const total = inputs.members.reduce((sum, { store }) => sum + store.size, 0)
  const progress = progressInParts(options, total)
  const surveyed = await surveyInputs(files, inputs.all, options, progress)
  const name = typeof target === 'string' ? target : null
  const result = { target: name, compression, members: surveyed.map(({ member }) => member), dryRun }
  if (dryRun) return { ...result, written: null, warnings: inputs.warnings }

  const tar = writeTar(packItems(files, surveyed, options, progress))
  const bytes = compressStream(tar, { format: compression, level, threads, reuseMemory: true, signal: options.signal })
  let written = 0
  if (place === null) written = await writeAll(bytes, (target as { pipe: BlockStore }).pipe, options.signal)
  else {
    const { noSync, signal } = options
    const permissions = permissionsOf(inputs.members)
    await writeNewFile(files, place, { permissions, noSync, signal }, async (store) => {
      written = await writeAll(bytes, store, signal)
    })
  }
  return { ...result, written, warnings: inputs.warnings }
}

/** Only users who can read all files can read the pack. Its owner can write it. */
function permissionsOf(members: readonly PackInput[]): number {
  return members.reduce((readable, { facts }) => readable & facts.permissions, 0o644) | 0o600
}

/** Refuse an output that is an input, or that may not be replaced. @returns null for a pipe */
async function guardPlace(files: HostFiles, target: OutputTarget, inputs: PackInputs, options: PackOptions) {
  const facts = typeof target === 'string' ? await targetFacts(files, target) : target.facts
  const name = typeof target === 'string' ? target : target.pipe.name
  for (const input of inputs.all) refuseSameFile(facts, name, input.facts, input.path)
  if (typeof target !== 'string') return null
  const { overwrite, signal, force } = options
  return guardTarget(files, target, { overwrite, signal, force })
}

async function writeAll(
  bytes: AsyncIterable<Uint8Array>,
  store: BlockStore,
  signal: AbortSignal | undefined,
): Promise<number> {
  let offset = 0
  for await (const piece of bytes) {
    throwIfAborted(signal)
    if (isSyncStore(store)) writeExactNow(store, offset, piece)
    else await orInterrupted(writeExact(store, offset, piece), signal)
    offset += piece.length
  }
  return offset
}
