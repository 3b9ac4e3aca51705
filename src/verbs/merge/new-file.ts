import { printablePath } from '../../bytes/escape.js'
import type { Copier } from '../../engine/choose-copier.js'
import { checkedOptions, textPath } from '../../machine/arguments.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressInParts } from '../../machine/operation.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { countAllocated } from '../../overlays/count-allocated.js'
import { guardTarget, refuseSameFile } from '../../overlays/guard-target.js'
import { openBacking } from '../../overlays/open-image.js'
import { type Overlay, openOverlay } from '../../overlays/open-overlay.js'
import type { LocatedFile } from '../../overlays/resolve-backing.js'
import { lookedAtNote } from '../../overlays/unfinished/other-names.js'
import { guardInputs, placeOf, refuseTruncated } from './check-inputs.js'
import { isPipe, type MergeOptions, type MergeTargetSpec, mergeRules } from './options.js'
import { mergeIntoNewFile, mergeIntoPipe } from './write-new.js'

export interface MergeResult {
  readonly overlay: string
  readonly backing: Buffer
  /** Null for a pipe. */
  readonly target: string | null
  readonly virtualSize: number
  readonly allocatedSectors: number
  readonly sectorSize: number
  readonly dryRun: boolean
  /** How the backing file's part was copied; null for a dry run. */
  readonly copier: Copier | null
  /** The new file was read back: from the disk, or from the page cache where the file system has no direct reads. */
  readonly verified: 'disk' | 'cache' | null
  /** What the user should know although the merge is right. */
  readonly warnings: readonly string[]
}

/**
 * Merge an overlay and its backing file into a new file or a pipe. Both inputs stay as they are.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, INPUT_CHANGED, INTERRUPTED,
 *         COPIER_UNAVAILABLE, VERIFY_FAILED, and what `parseCowHeader` and the host throw. A new file is then not there,
 *         not even in part.
 */
export async function merge(
  overlayPath: string | URL,
  target: MergeTargetSpec | URL,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const overlay = textPath('overlayPath', overlayPath)
  const place = isPipe(target) ? target : textPath('target', target)
  const checked = checkedOptions(options, mergeRules)
  return withUnseenTold(options.files ?? localHostFiles, (files) => mergeNew(files, overlay, place, checked))
}

async function mergeNew(
  files: HostFiles,
  overlayPath: string,
  target: MergeTargetSpec,
  options: MergeOptions,
): Promise<MergeResult> {
  const overlay = await openOverlay(files, overlayPath)
  try {
    const located = await guardInputs(files, overlay, target, options)
    const backing = await openBacking(files, located, options, [overlay.facts])
    try {
      const place = await placeOf(files, target)
      for (const input of backing.files.slice(1)) refuseSameFile(place.facts, place.name, input.facts, input.path)
      if (!options.allowShort) await refuseTruncated(overlay, options.signal)
      const newFile = typeof target === 'string' ? await guardTarget(files, target, options) : null
      const result = await describeMerge(files, overlay, located, target, options)
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
  } finally {
    await overlay.store.close()
  }
}

async function describeMerge(
  files: HostFiles,
  overlay: Overlay,
  located: LocatedFile,
  target: MergeTargetSpec,
  options: MergeOptions,
): Promise<MergeResult> {
  const note = await lookedAtNote(files, located.path, located.facts, [overlay.path])
  return {
    overlay: String(overlay.path),
    backing: located.path,
    target: typeof target === 'string' ? target : null,
    virtualSize: overlay.header.virtualSize,
    allocatedSectors: await countAllocated(overlay, options.signal),
    sectorSize: overlay.header.sectorSize,
    dryRun: options.dryRun === true,
    copier: null,
    verified: null,
    warnings: [...(note === null ? [] : [note]), ...warningsFor(overlay)],
  }
}

function warningsFor(overlay: Overlay): string[] {
  const { sectorSize } = overlay.header
  if (sectorSize === 512) return []
  return [
    `${printablePath(overlay.path)}: its sector size is ${sectorSize}; the kernel takes it for 512 and misreads such an ` +
      'overlay, so what a guest saw may not be what is in it',
  ]
}
