import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { Qcow2Header } from '../../formats/qcow2/index.js'
import type { ImageFormat } from '../../images/image-formats.js'
import type { ImageSink } from '../../images/new-image.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { preserveMtime } from '../../machine/preserve-mtime.js'
import { lockFiles } from '../../machine/processes/lock-files.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { inspectTarget, type NewFileTarget, writeNewFile } from '../../machine/write-new-file.js'
import { checkQcow2Layers } from '../../overlays/check-qcow2-layers.js'
import { guardTarget, refuseSameFile } from '../../overlays/guard-target.js'
import { layerOf, type ProbedFile } from '../../overlays/open.js'
import type { FileImage } from '../../overlays/open-image.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import type { BlockStore } from '../../stores/block-store.js'
import { openCountingStore } from '../../stores/counting-store.js'
import { copyImage } from '../convert/copy-image.js'
import { type NewImage, newSink } from '../convert/new-sink.js'
import { openInputImage } from '../convert/open-input.js'
import { type OutputBacking, openOutputBacking } from '../convert/output-backing.js'
import { placeOf } from '../merge/check-inputs.js'
import { type StoredBacking, storedBacking } from './backing-path.js'
import { refuseHidden, refuseReplacing, toOther } from './guard.js'
import { type CompactOptions, type CompactResult, compactRules } from './options.js'
import { refuseLinkElsewhere, refuseOther } from './refuse-other.js'

/**
 * Make an image smaller: drop groups that are equal to its backing file, and make holes of zeros.
 *
 * The compact image replaces the original at once, or goes to `output`. It keeps the modification time, so overlays on it
 * still fit, and the bond with its own backing file. Without `output`, an image that would not become smaller stays.
 *
 * @throws UmlcowError IN_USE, TARGET_…, OVERLAY_NEEDED, BACKING_…, TRUNCATED_OVERLAY, UNFINISHED_MERGE, QCOW2_DAMAGED,
 *         QCOW2_LEAKS, INPUT_CHANGED, BAD_MTIME, INTERRUPTED, and what the codecs and the host throw. After a failure the original is as it was
 */
export async function compact(path: string | URL, options: CompactOptions = {}): Promise<CompactResult> {
  const place = textPath('path', path)
  const checked = checkedOptions(options, compactRules)
  return withUnseenTold(checked.files ?? localHostFiles, (files) => compactFile(files, place, checked))
}

async function compactFile(files: HostFiles, path: string, options: CompactOptions): Promise<CompactResult> {
  const input = await openInputImage(files, path, options)
  try {
    const file = input.files[0]!
    refuseHidden(file)
    await refuseOther(files, file, input.files[1], options)
    if (options.output === undefined) await refuseLinkElsewhere(files, file, options)
    const isReplaced = options.output === undefined && !options.dryRun
    const lock = isReplaced ? await lockFiles(files, [file]) : null
    try {
      if (options.output === undefined) await refuseReplacing(files, file, options)
      return await withBacking(files, input, options, (backing) => compactOpened(files, path, input, backing, options))
    } finally {
      await lock?.release()
    }
  } finally {
    await input.close()
  }
}

/** Open the backing file of an image once more: both the image and the comparison read it. */
async function withBacking<T>(
  files: HostFiles,
  input: FileImage,
  { chain, force, signal }: CompactOptions,
  run: (backing: OutputBacking | null) => Promise<T>,
): Promise<T> {
  const below = input.files[1]
  if (below === undefined) return run(null)
  const backing = await openOutputBacking(files, input, below.path, { chain, force, signal })
  try {
    return await run(backing)
  } finally {
    await backing.image.close()
  }
}

async function compactOpened(
  files: HostFiles,
  path: string,
  input: FileImage,
  backing: OutputBacking | null,
  options: CompactOptions,
): Promise<CompactResult> {
  const file = input.files[0]!
  const target = await targetOf(files, path, input, options)
  const stored = await storedBacking(files, file, target.path, options)
  const { warnings } = await checkQcow2Layers(input.files, options)
  const result: CompactResult = {
    path,
    output: options.output ?? null,
    format: file.format,
    virtualSize: input.virtualSize,
    allocatedBefore: file.facts.allocatedSize,
    allocatedAfter: file.facts.allocatedSize,
    droppedBytes: 0,
    replaced: false,
    dryRun: options.dryRun === true,
    warnings: [...warningsFor(file), ...(stored?.warnings ?? []), ...warnings],
  }
  const newImage = newImageOf(file, stored, backing?.format ?? 'raw', options)
  const copy = (store: BlockStore) => copyCompact(files, input, backing, newSink(store, newImage), options)
  if (options.dryRun) {
    const store = openCountingStore(printablePath(path), 4096)
    const droppedBytes = await copy(store)
    return { ...result, droppedBytes, allocatedAfter: store.storedSize() }
  }
  return writeCompact(files, file, target, result, copy, options)
}

/** Find the place of the compact image, and refuse one where it may not go. */
async function targetOf(
  files: HostFiles,
  path: string,
  input: FileImage,
  { output, ...options }: CompactOptions,
): Promise<NewFileTarget> {
  if (output === undefined) return inspectTarget(files, path, true)
  const place = await placeOf(files, output)
  for (const one of input.files) refuseSameFile(place.facts, place.name, one.facts, one.path)
  return guardTarget(files, output, options)
}

/** Thrown to leave the original: the temporary file goes away. */
class NothingSaved extends Error {}

async function writeCompact(
  files: HostFiles,
  file: ProbedFile,
  target: NewFileTarget,
  result: CompactResult,
  copy: (store: FileStore) => Promise<number>,
  options: CompactOptions,
): Promise<CompactResult> {
  let allocatedAfter = 0
  let droppedBytes = 0
  const { permissions } = file.facts
  try {
    await writeNewFile(files, target, { ...options, permissions }, async (store) => {
      droppedBytes = await copy(store)
      // Only a synced file shows how much the host stores of it.
      if (!options.noSync) await store.sync()
      allocatedAfter = files.statOpen(store).allocatedSize
      if (options.output === undefined && allocatedAfter >= file.facts.allocatedSize) throw new NothingSaved()
      if (!options.force?.includes('in-use')) refuseChanged(files, file, 'compact')
      await keepMtime(files, store, file)
    })
  } catch (error) {
    if (error instanceof NothingSaved) return result
    throw options.output === undefined && hasCode(error, 'ENOSPC', 'EDQUOT') ? noRoomBeside(file, error) : error
  }
  return { ...result, droppedBytes, allocatedAfter, replaced: options.output === undefined }
}

/** The new file goes by the name of the original in messages, but it is the one that needs room. */
function noRoomBeside({ path }: ProbedFile, cause: unknown): UmlcowError {
  const code = hasCode(cause, 'EDQUOT') ? 'EDQUOT' : 'ENOSPC'
  const name = printablePath(path)
  return new UmlcowError(code, `${name}: no room for the compact copy beside it; the image is as it was`, {
    hint: `free room on that file system, or ${toOther}, on another file system`,
    cause,
  })
}

/** Overlays on the image compare its modification time. @throws UmlcowError BAD_MTIME */
async function keepMtime(files: HostFiles, store: FileStore, { path, facts }: ProbedFile): Promise<void> {
  if ((await preserveMtime(files, store, facts)) !== 'none') return
  throw new UmlcowError('BAD_MTIME', `${printablePath(path)}: its file system does not keep the modification time`, {
    hint: 'overlays on it would no longer fit; copy it to another file system',
  })
}

/** Describe an image with the values of the original. */
function newImageOf(
  file: ProbedFile,
  stored: StoredBacking | null,
  backingFormat: ImageFormat,
  { compress }: CompactOptions,
): NewImage {
  const { header, qcow2, virtualSize } = layerOf(file)
  const backing = stored === null ? null : { path: stored.path, format: backingFormat, mtime: header?.mtime ?? 0 }
  return {
    format: file.format,
    virtualSize,
    clusterSize: qcow2?.clusterSize,
    sectorSize: header?.sectorSize,
    compress,
    backing,
  }
}

async function copyCompact(
  files: HostFiles,
  input: FileImage,
  backing: OutputBacking | null,
  sink: ImageSink,
  { unit = 4096, signal, ...options }: CompactOptions,
): Promise<number> {
  const onPosition = progressReporter(options, input.virtualSize, 'compact')
  const below = backing === null ? null : { image: backing.image, layers: 1, dropEqual: unit }
  const { dropped } = await copyImage({ files, input, zeroUnit: 4096, below, signal, onPosition }, sink)
  return dropped
}

function warningsFor(file: ProbedFile): string[] {
  const { header, qcow2 } = layerOf(file)
  const name = printablePath(file.path)
  if (qcow2 !== null) {
    const changes = changesOf(qcow2)
    return changes.length === 0 ? [] : [`${name}: the compact image has other features: ${changes.join(', ')}`]
  }
  if (header === null || header.layout === 'v3') return []
  return [`${name}: has version ${header.version}; the compact one has version 3`]
}

/** Name what a qcow2 image has that a new one has not. */
function changesOf({ version, extendedL2, lazyRefcounts, refcountBits }: Qcow2Header): string[] {
  return [
    ...(version === 2 ? ['compat=1.1 instead of 0.10'] : []),
    ...(extendedL2 ? ['extended_l2=off instead of on'] : []),
    ...(lazyRefcounts ? ['lazy_refcounts=off instead of on'] : []),
    ...(refcountBits === 16 ? [] : [`refcount_bits=16 instead of ${refcountBits}`]),
  ]
}
