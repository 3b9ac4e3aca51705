import { type Copier, copiersFor } from '../../../engine/choose-copier.js'
import { type MergeTarget, planMerge } from '../../../engine/plan-merge.js'
import { planWriteBack } from '../../../engine/plan-write-back.js'
import { UmlcowError } from '../../../errors.js'
import { copyByHost } from '../../../machine/copying/base-copy.js'
import { firstCopier } from '../../../machine/copying/first-copier.js'
import { withDataMap } from '../../../machine/copying/with-data-map.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import type { FileFacts } from '../../../machine/host-files.js'
import type { FileStore } from '../../../machine/stores/file-store.js'
import { type NewFileTarget, writeNewFile } from '../../../machine/write-new-file.js'
import type { InputFile } from '../../../overlays/open.js'
import { refuseChanged } from '../../../overlays/refuse-changed.js'
import type { BlockStore } from '../../../stores/block-store.js'
import { compareMerged } from './compare-image.js'
import { type NewMerge, newImageLayers } from './new-merge.js'

/** Write the merged image to a pipe. @returns how the backing file's part was copied */
export async function mergeIntoPipe(merge: NewMerge, pipe: BlockStore): Promise<Copier> {
  // Every byte goes through the pipe, so the ways differ only in how they find holes.
  const copier = await firstThatWorks(merge, ['extents', 'read'], (way) =>
    mergeByPass(merge, way === 'extents' ? way : 'read', { store: pipe, keepHoles: false }),
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
  for (const input of [overlay, ...backing.files]) refuseChanged(files, input, 'merge')
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
  const works = async (way: Copier) => (way === 'read' || facts !== undefined) && attempt(way)
  const outcome = await firstCopier(ways.filter(isAllowed), works)
  if (outcome.way !== null) return outcome.way
  refuseChangedInputs(merge)
  if (outcome.failure !== null) throw outcome.failure
  throw new UmlcowError('COPIER_UNAVAILABLE', `--copier=${wanted} does not work with these files and options`, {
    hint: 'leave the option out: umlcow then takes the fastest way that works',
  })
}

/** Copy the backing file. @returns false when this way does not work; the file is then empty, as after an error */
async function copyBase(
  merge: NewMerge,
  way: 'reflink' | 'cp',
  target: FileStore,
  permissions: number,
): Promise<boolean> {
  const input = plainBacking(merge)!
  const copied = await copyByHost(merge.files, way, input, target, {
    permissions,
    signal: merge.options.signal,
    onStored: way === 'cp' ? merge.progress('copy', [0, mergeShare(merge) / 2], input.facts.allocatedSize) : undefined,
  })
  if (copied) await target.truncate(merge.overlay.header.virtualSize)
  return copied
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

async function mergeByPass(merge: NewMerge, way: 'extents' | 'read', target: MergeTarget): Promise<boolean> {
  const { files, overlay, options } = merge
  return withDataMap(files, way, plainBacking(merge), options.signal, async (data) => {
    await target.store.truncate(overlay.header.virtualSize)
    const onPosition = merge.progress('merge', [0, mergeShare(merge)])
    const how = { data, windowSize: options.bufferSize }
    await executeLocally(planMerge(newImageLayers(merge), target, how), { signal: options.signal, onPosition })
    onPosition?.(overlay.header.virtualSize)
  })
}
