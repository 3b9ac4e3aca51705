import { alignedBuffer } from '../../../bytes/aligned-buffer.js'
import { type Copier, copiersFor, mayHaveHoles } from '../../../engine/choose-copier.js'
import {
  type DataMap,
  everythingIsData,
  knownStretches,
  probedStretches,
  probeLength,
} from '../../../engine/data-map.js'
import { type MergeTarget, planMerge } from '../../../engine/plan-merge.js'
import { planWriteBack } from '../../../engine/plan-write-back.js'
import { UmlcowError } from '../../../errors.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import type { FileFacts } from '../../../machine/host-files.js'
import type { FileStore } from '../../../machine/stores/file-store.js'
import { openDirect } from '../../../machine/stores/open-direct.js'
import { type NewFileTarget, writeNewFile } from '../../../machine/write-new-file.js'
import type { InputFile } from '../../../overlays/open.js'
import type { BlockStore } from '../../../stores/block-store.js'
import { refuseChanged } from '../check-inputs.js'
import { compareMerged } from './compare-image.js'
import { type NewMerge, newImageLayers } from './new-merge.js'

/** Write the merged image to a pipe. @returns how the backing file's part was copied */
export async function mergeIntoPipe(merge: NewMerge, pipe: BlockStore): Promise<Copier> {
  // Every byte goes through the pipe, so the ways differ only in how they find holes.
  const copier = await firstThatWorks(merge, ['extents', 'read'], (way) =>
    mergeByPass(merge, way, { store: pipe, keepHoles: false }),
  )
  refuseChangedInputs(merge)
  return copier
}

/** Write the merged image to a new file. @throws UmlcowError COPIER_UNAVAILABLE, VERIFY_FAILED */
export async function mergeIntoNewFile(
  merge: NewMerge,
  newFile: NewFileTarget,
): Promise<{ copier: Copier; verified: 'disk' | 'cache' | null }> {
  const { files, overlay, backing, options } = merge
  const { noSync, signal, sparse = 'auto' } = options
  const permissions = newImagePermissions(overlay.facts, backing.files[0]?.facts)
  let copier: Copier = 'read'
  let verified: 'disk' | 'cache' | null = null
  await writeNewFile(files, newFile, { permissions, noSync, signal }, async (store, path) => {
    copier = await firstThatWorks(merge, ['reflink', 'cp', 'extents', 'read'], async (way) => {
      if (way === 'extents' || way === 'read') return mergeByPass(merge, way, { store, keepHoles: sparse !== 'never' })
      return (await copyBase(merge, way, store, permissions)) && writeOver(merge, way, store)
    })
    refuseChangedInputs(merge)
    if (options.verify) verified = await compareMerged(merge, store, path)
  })
  return { copier, verified }
}

/** Only users who can read both inputs can read the merged image, because it shows both. Its owner can write it. */
function newImagePermissions(overlay: FileFacts, backing: FileFacts | undefined): number {
  const readable = backing?.kind === 'file' ? overlay.permissions & backing.permissions : overlay.permissions
  return (readable & 0o644) | 0o600
}

function refuseChangedInputs({ files, overlay, backing, options }: NewMerge): void {
  if (options.force?.includes('in-use')) return
  for (const input of [overlay, ...backing.files]) refuseChanged(files, input)
}

/** Find the backing file if it is a plain file; null for a chain or a device. */
function plainBacking({ backing }: NewMerge): InputFile | null {
  return backing.plain?.facts.kind === 'file' ? backing.plain : null
}

async function firstThatWorks(
  merge: NewMerge,
  possible: readonly Copier[],
  attempt: (copier: Copier) => Promise<boolean>,
): Promise<Copier> {
  const { options, overlaySize } = merge
  const { copier: wanted = 'auto', sparse = 'auto' } = options
  const facts = plainBacking(merge)?.facts
  const size = facts?.size ?? 0
  const chosen = copiersFor({ size, allocatedSize: facts?.allocatedSize ?? null, overlaySize, sparse })
  const isAllowed = (way: Copier) =>
    possible.includes(way) && (sparse === 'auto' || way === 'read' || (way === 'extents' && sparse === 'always'))
  const ways = wanted === 'auto' ? chosen : [wanted]
  let failure: unknown = null
  for (const way of ways.filter(isAllowed)) {
    try {
      if ((way === 'read' || facts !== undefined) && (await attempt(way))) return way
    } catch (error) {
      // Even after a full disk the next way may succeed: it may store less.
      if (!isHelperFailure(error)) throw error
      failure = error
    }
  }
  refuseChangedInputs(merge)
  if (failure !== null) throw failure
  throw new UmlcowError('COPIER_UNAVAILABLE', `--copier=${wanted} does not work with these files and options`, {
    hint: 'leave the option out: umlcow then takes the fastest way that works',
  })
}

function isHelperFailure(error: unknown): boolean {
  return error instanceof UmlcowError && 'program' in error.details
}

/** Copy the backing file. @returns false when this way does not work; the file is then empty, as after an error */
async function copyBase(
  merge: NewMerge,
  way: 'reflink' | 'cp',
  target: FileStore,
  permissions: number,
): Promise<boolean> {
  const input = plainBacking(merge)!
  let copied = false
  try {
    copied = await (way === 'cp'
      ? copyWithProgress(merge, input, target)
      : shareStorage(merge, input, target, permissions))
  } finally {
    // Skip an empty file: after a cut to size 0, ext4 writes the whole file to the disk when it is closed.
    if (!copied && merge.files.statOpen(target).size > 0) await target.truncate(0)
  }
  if (copied) await target.truncate(merge.overlay.header.virtualSize)
  return copied
}

async function shareStorage(
  { files, options }: NewMerge,
  { store, facts }: InputFile,
  target: FileStore,
  permissions: number,
): Promise<boolean> {
  // Node's call also copies the backing file's permissions. Use cp if they admit users who must not read the overlay.
  const letsInOthers = (facts.permissions & 0o7077 & ~permissions) !== 0
  if (letsInOthers) return files.copyByCp(store, target, { signal: options.signal, reflink: 'always' })
  const copied = await files.reflink(store, target)
  await files.setPermissions(target, 0o600)
  return copied
}

/** Time between two progress reports on a helper's copy, milliseconds. */
const lookInterval = 100

async function copyWithProgress(merge: NewMerge, input: InputFile, target: FileStore): Promise<boolean> {
  const { files, options } = merge
  const total = input.facts.allocatedSize
  const report = merge.progress('copy', [0, mergeShare(merge) / 2], total)
  let failure: { error: unknown } | null = null
  const look = () => {
    try {
      report?.(files.statOpen(target).allocatedSize)
    } catch (error) {
      failure ??= { error }
    }
  }
  const timer = report === undefined ? undefined : setInterval(look, lookInterval)
  try {
    const copied = await files.copyByCp(input.store, target, { signal: options.signal })
    if (failure !== null) throw (failure as { error: unknown }).error
    return copied
  } finally {
    clearInterval(timer)
  }
}

/** Return the merge's share of the progress: a verification takes as long as the merge. */
function mergeShare({ options }: NewMerge): number {
  return options.verify ? 1 / 2 : 1
}

/** Write the overlay over a copy of the backing file. */
async function writeOver(merge: NewMerge, way: 'reflink' | 'cp', target: FileStore): Promise<true> {
  const { options, overlay } = merge
  const share = mergeShare(merge)
  const onPosition = merge.progress('merge', [way === 'cp' ? share / 2 : 0, share])
  const plan = planWriteBack({ ...newImageLayers(merge), backing: target }, options.bufferSize)
  await executeLocally(plan, { signal: options.signal, onPosition })
  onPosition?.(overlay.header.virtualSize)
  return true
}

async function mergeByPass(merge: NewMerge, way: Copier, target: MergeTarget): Promise<boolean> {
  const { files, overlay, options } = merge
  const input = plainBacking(merge)
  const known = way === 'extents' && input !== null ? await files.extents(input.store, options.signal) : null
  if (way === 'extents' && known === null) return false
  await target.store.truncate(overlay.header.virtualSize)
  const isProbed = way === 'read' && input !== null && mayHaveHoles(input.facts)
  const direct = isProbed ? await openDirect(files, input.path, input.store) : null
  try {
    const onPosition = merge.progress('merge', [0, mergeShare(merge)])
    const how = { data: dataMapOf(known, direct), windowSize: options.bufferSize }
    await executeLocally(planMerge(newImageLayers(merge), target, how), { signal: options.signal, onPosition })
    onPosition?.(overlay.header.virtualSize)
    return true
  } finally {
    await direct?.close()
  }
}

function dataMapOf(known: Float64Array | null, direct: BlockStore | null): DataMap {
  if (known !== null) return knownStretches(known)
  return direct === null ? everythingIsData() : probedStretches(direct, alignedBuffer(probeLength))
}
