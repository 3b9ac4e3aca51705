import type { FileFacts, HostFiles } from '../../machine/host-files.js'
import type { OutputTarget } from '../../machine/output-target.js'
import { type NewFileTarget, writeNewFile } from '../../machine/write-new-file.js'
import { guardTarget, refuseSameFile } from '../../overlays/guard-target.js'
import type { ProbedFile } from '../../overlays/open.js'
import { overlayOf } from '../../overlays/open-overlay.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import type { BlockStore } from '../../stores/block-store.js'
import { placeOf, refuseOwnBacking } from '../merge/check-inputs.js'
import type { ConvertOptions } from './options.js'

/** Refuse an output that is an input, or that must stay. @returns the place of a new file; null for a pipe */
export async function guardNewImage(
  files: HostFiles,
  sources: readonly ProbedFile[],
  target: OutputTarget,
  options: ConvertOptions,
): Promise<NewFileTarget | null> {
  const place = await placeOf(files, target)
  for (const file of sources) refuseSameFile(place.facts, place.name, file.facts, file.path)
  const overlay = sources[0] === undefined ? null : overlayOf(sources[0])
  if (options.backing !== undefined && overlay !== null) await refuseOwnBacking(files, overlay, place)
  return typeof target === 'string' ? guardTarget(files, target, options) : null
}

interface Output {
  readonly sources: readonly ProbedFile[]
  readonly target: OutputTarget
  /** Null for a pipe. */
  readonly newFile: NewFileTarget | null
}

/** Let `fill` write the output, and refuse inputs that changed meanwhile. */
export async function writeOutput(
  files: HostFiles,
  { sources, target, newFile }: Output,
  options: ConvertOptions,
  fill: (store: BlockStore, isPipe: boolean) => Promise<void>,
): Promise<void> {
  const fillUntorn = async (store: BlockStore, isPipe: boolean) => {
    await fill(store, isPipe)
    if (options.force?.includes('in-use')) return
    for (const file of sources) refuseChanged(files, file, 'convert')
  }
  if (typeof target !== 'string') return fillUntorn(target.pipe, true)
  const permissions = newPermissions(sources.map(({ facts }) => facts))
  await writeNewFile(files, newFile!, { permissions, ...options }, (store) => fillUntorn(store, false))
}

/** Only users who can read all inputs can read the new image, because it shows them all. Its owner can write it. */
function newPermissions(facts: readonly FileFacts[]): number {
  const regular = facts.filter(({ kind }) => kind === 'file')
  return (regular.reduce((permissions, one) => permissions & one.permissions, 0o644) & 0o644) | 0o600
}
