import type { Copier } from '../../../engine/choose-copier.js'
import { type HostFiles, localHostFiles } from '../../../machine/host-files.js'
import { progressInParts } from '../../../machine/operation-options.js'
import { checkedOptions } from '../../../machine/option-rules.js'
import type { OutputTarget } from '../../../machine/output-target.js'
import { withUnseenTold } from '../../../machine/processes/unseen-users.js'
import { checkQcow2Layers } from '../../../overlays/check-qcow2-layers.js'
import { countAllocated } from '../../../overlays/count-allocated.js'
import { guardTarget, refuseSameFile } from '../../../overlays/guard-target.js'
import { inspectBacking } from '../../../overlays/inspect-backing.js'
import { openBacking } from '../../../overlays/open-image.js'
import { type Overlay, openOverlay } from '../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import { lookedAtNote } from '../../../overlays/unfinished/find-by-other-name.js'
import { guardInputs, type NewFileInputs, placeOf, refuseTruncated } from '../check-inputs.js'
import { type NewImageOptions, newImageRules } from '../options.js'
import { sectorSizeWarnings } from '../sector-size.js'
import { mergeIntoNewFile, mergeIntoPipe } from './write-image.js'

export interface NewImageResult {
  readonly inPlace: false
  readonly overlay: string
  /** Null for a qcow2 image without a backing file. */
  readonly backing: Buffer | null
  /** Null for a pipe. */
  readonly target: string | null
  readonly virtualSize: number
  /** For a qcow2 image: clusters, and their size as `sectorSize`. */
  readonly allocatedSectors: number
  readonly sectorSize: number
  readonly dryRun: boolean
  /** How the merge copied the backing file's part; null for a dry run. */
  readonly copier: Copier | null
  /** Where `verify` read the new file: the disk, or the page cache if the file system has no direct reads. */
  readonly verified: 'disk' | 'cache' | null
  /** What the user should know about a correct merge. */
  readonly warnings: readonly string[]
}

/**
 * Merge into a new file or a pipe, never in place. The backing file as target is an error, as the arguments of uml_moo
 * require.
 *
 * @throws UmlcowError as `merge`
 */
export async function mergeNewFile(
  overlayPath: string,
  target: OutputTarget,
  options: NewImageOptions,
): Promise<NewImageResult> {
  const checked = checkedOptions(options, newImageRules)
  return withUnseenTold(options.files ?? localHostFiles, async (files) => {
    const overlay = await openOverlay(files, overlayPath)
    try {
      const inspection = await inspectBacking(files, overlay, checked)
      return await mergeInspected(files, { overlay, inspection, target }, checked)
    } finally {
      await overlay.store.close()
    }
  })
}

/** Merge into a new file or a pipe after the caller has opened the overlay and inspected its backing file. */
export async function mergeInspected(
  files: HostFiles,
  inputs: NewFileInputs,
  options: NewImageOptions,
): Promise<NewImageResult> {
  const { overlay, target } = inputs
  const located = await guardInputs(files, inputs, options)
  const backing = await openBacking(files, located, options, [overlay.facts])
  try {
    const place = await placeOf(files, target)
    for (const input of backing.files.slice(1)) refuseSameFile(place.facts, place.name, input.facts, input.path)
    if (!options.allowShort) await refuseTruncated(overlay, options.signal)
    const newFile = typeof target === 'string' ? await guardTarget(files, target, options) : null
    const { warnings } = await checkQcow2Layers(backing.files, options)
    const described = await describeMerge(files, overlay, located, target, options)
    const result = { ...described, warnings: [...described.warnings, ...warnings] }
    if (options.dryRun) return result
    const progress = progressInParts(options, overlay.header.virtualSize)
    const work = {
      files,
      overlay,
      backing,
      overlaySize: result.allocatedSectors * result.sectorSize,
      options,
      progress,
    }
    if (typeof target !== 'string') return { ...result, copier: await mergeIntoPipe(work, target.pipe) }
    if (newFile === null) throw new Error('unreachable: a path has a place')
    return { ...result, ...(await mergeIntoNewFile(work, newFile)) }
  } finally {
    await backing.close()
  }
}

async function describeMerge(
  files: HostFiles,
  overlay: Overlay,
  located: LocatedFile,
  target: OutputTarget,
  options: NewImageOptions,
): Promise<NewImageResult> {
  const note = await lookedAtNote(files, located.path, located.facts, [overlay.path])
  return {
    inPlace: false,
    overlay: String(overlay.path),
    backing: located.path,
    target: typeof target === 'string' ? target : null,
    virtualSize: overlay.header.virtualSize,
    allocatedSectors: await countAllocated(overlay, options.signal),
    sectorSize: overlay.header.sectorSize,
    dryRun: options.dryRun === true,
    copier: null,
    verified: null,
    warnings: [...(note === null ? [] : [note]), ...sectorSizeWarnings(overlay)],
  }
}
