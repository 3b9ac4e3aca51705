import { printablePath } from '../bytes/escape.js'
import { countAllocated } from '../engine/count-allocated.js'
import { executeSteps } from '../engine/execute.js'
import { planMerge } from '../engine/plan-merge.js'
import { type FileFacts, type HostFiles, localHostFiles } from '../host/host-files.js'
import { type NewFileTarget, writeNewFile } from '../host/new-file.js'
import { type OpenBacking, openBacking } from '../host/open-image.js'
import { type Overlay, openOverlay } from '../host/open-overlay.js'
import type { LocatedFile } from '../host/resolve-backing.js'
import { guardTarget, refuseSameFile } from '../host/target-guard.js'
import type { BlockStore } from '../stores/block-store.js'
import { guardInputs, placeOf, refuseChanged, refuseTruncated } from './merge-guard.js'
import type { MergeOptions, MergeTargetSpec } from './merge-options.js'
import { progressReporter } from './operation.js'

export interface MergeResult {
  readonly overlay: string
  readonly backing: Buffer
  /** Null for a pipe. */
  readonly target: string | null
  readonly virtualSize: number
  readonly allocatedSectors: number
  readonly sectorSize: number
  readonly dryRun: boolean
  /** What the user should know although the merge is right. */
  readonly warnings: readonly string[]
}

/**
 * Merge an overlay and its backing file into a new file or a pipe. Both inputs stay as they are.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, INPUT_CHANGED, INTERRUPTED,
 *         and what `parseCowHeader` and the host throw. A new file is then not there, not even in part.
 */
export async function merge(
  overlayPath: string,
  target: MergeTargetSpec,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const files = options.files ?? localHostFiles
  const overlay = await openOverlay(files, overlayPath)
  try {
    const located = await guardInputs(files, overlay, target, options)
    const backing = await openBacking(files, located, options, [overlay.facts])
    try {
      const place = await placeOf(files, target)
      for (const input of backing.inputs.slice(1)) refuseSameFile(place.facts, place.name, input.facts, input.path)
      if (!options.allowShort) await refuseTruncated(overlay, options.signal)
      const newFile = typeof target === 'string' ? await guardTarget(files, target, options) : null
      const result = await describeMerge(overlay, located, target, options)
      if (!options.dryRun) await mergeInto(files, overlay, backing, target, newFile, options)
      return result
    } finally {
      await backing.store.close()
    }
  } finally {
    await overlay.store.close()
  }
}

async function describeMerge(
  overlay: Overlay,
  located: LocatedFile,
  target: MergeTargetSpec,
  options: MergeOptions,
): Promise<MergeResult> {
  return {
    overlay: String(overlay.path),
    backing: located.path,
    target: typeof target === 'string' ? target : null,
    virtualSize: overlay.header.virtualSize,
    allocatedSectors: await countAllocated(overlay.store, overlay.layout, options.signal),
    sectorSize: overlay.header.sectorSize,
    dryRun: options.dryRun === true,
    warnings: warningsFor(overlay),
  }
}

async function mergeInto(
  files: HostFiles,
  overlay: Overlay,
  backing: OpenBacking,
  target: MergeTargetSpec,
  newFile: NewFileTarget | null,
  options: MergeOptions,
): Promise<void> {
  const { header, layout } = overlay
  const { signal, noSync } = options
  const sources = { overlay: overlay.store, backing: backing.store, dataOffset: layout.dataOffset }
  const run = async (store: BlockStore, keepHoles: boolean) => {
    const onPosition = progressReporter(options, header.virtualSize, 'merge')
    await executeSteps(planMerge({ ...sources, header, layout }, { store, keepHoles }), { signal, onPosition })
    onPosition?.(header.virtualSize)
    if (options.force?.includes('in-use')) return
    for (const input of [overlay, ...backing.openFiles]) refuseChanged(files, input)
  }
  if (typeof target !== 'string') return run(target.pipe, false)
  if (newFile === null) throw new Error('unreachable: a path has a place')
  const permissions = newImagePermissions(overlay.facts, backing.openFiles[0]?.facts)
  return writeNewFile(files, newFile, { permissions, noSync, signal }, async (store) => {
    await store.truncate(header.virtualSize)
    await run(store, options.sparse !== 'never')
  })
}

/** A merged image shows what both inputs hold, so nobody may read it who may not read them; its owner may write it. */
function newImagePermissions(overlay: FileFacts, backing: FileFacts | undefined): number {
  const readable = backing?.kind === 'file' ? overlay.permissions & backing.permissions : overlay.permissions
  return (readable & 0o644) | 0o600
}

function warningsFor(overlay: Overlay): string[] {
  const { sectorSize } = overlay.header
  if (sectorSize === 512) return []
  return [
    `${printablePath(overlay.path)}: its sector size is ${sectorSize}; the kernel takes it for 512 and misreads such an ` +
      'overlay, so what a guest saw may not be what is in it',
  ]
}
