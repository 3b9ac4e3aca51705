import { forEachBounded } from '../../../bytes/for-each-bounded.js'
import type { ExecuteOptions } from '../../../engine/execute.js'
import type { Layers } from '../../../engine/merge-layers.js'
import { throwIfAborted, UmlcowError } from '../../../errors.js'
import type { ForceWord } from '../../../machine/findings.js'
import { type HostFiles, isSameFile } from '../../../machine/host-files.js'
import type { OperationOptions } from '../../../machine/operation-options.js'
import { withLock } from '../../../machine/processes/lock-files.js'
import type { FileAccess } from '../../../machine/stores/file-store.js'
import type { InputFile } from '../../../overlays/open.js'
import { type Overlay, openOverlay } from '../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import type { Sibling } from '../../../overlays/siblings/sibling-search.js'
import { type MergeJournal, markerPathOf, markerSuffix } from '../../../overlays/unfinished/merge-journal.js'

/** The state that the steps of the protocol share: the open files, the journal as on the disk, and the progress. */
export interface InPlaceWork {
  readonly files: HostFiles
  readonly options: WorkOptions
  readonly overlay: Overlay & { readonly path: Buffer }
  readonly backing: InputFile & { readonly path: Buffer }
  /** Siblings to keep, the undo overlay among them. */
  readonly kept: readonly Sibling[]
  /** All known mtimes in headers, and the backing file's own. */
  readonly knownMtimes: readonly number[]
  readonly journalPath: Buffer
  readonly markerPath: Buffer
  /** True when an earlier run made the journal. */
  readonly resumed: boolean
  journal: MergeJournal
  /** Bytes copied into each sibling. */
  readonly copied: Map<Sibling, number>
  verified: 'disk' | 'cache' | null
  readonly warnings: string[]
}

interface WorkOptions extends OperationOptions {
  readonly bufferSize?: number | undefined
  readonly force?: readonly ForceWord[] | undefined
}

/** Make the state of a merge before its first step, new or resumed. @param warnings  the warnings so far */
export function makeWork(
  known: Omit<InPlaceWork, 'copied' | 'verified' | 'warnings'>,
  warnings: readonly string[],
): InPlaceWork {
  return { ...known, copied: new Map(), verified: null, warnings: [...warnings] }
}

/** Return the path of the marker: beside the backing file, or beside the overlay when the backing file is a device. */
export async function markerPlace(files: HostFiles, overlayPath: Buffer, backing: LocatedFile): Promise<Buffer> {
  if (backing.facts.kind === 'file') return markerPathOf(files, backing.path)
  return Buffer.concat([overlayPath, Buffer.from(markerSuffix)])
}

export function layersOf({ overlay, backing }: Pick<InPlaceWork, 'overlay' | 'backing'>): Layers {
  return { overlay, backing: backing.store }
}

export function executeOptions(work: InPlaceWork): ExecuteOptions {
  return { signal: work.options.signal }
}

/** Sync a store, unless the merge runs with `noSync`. */
export async function syncUnlessForbidden(
  work: Pick<InPlaceWork, 'journal'>,
  store: { sync(): Promise<void> },
): Promise<void> {
  if (!work.journal.noSync) await store.sync()
}

/** Process at most this many siblings at a time: each needs two file descriptors, one for its lock. */
const siblingsAtOnce = 8

/**
 * Lock and open each sibling, and run a function with it. It releases each lock afterwards, because there may be
 * thousands of siblings. Every verb locks the file that it writes, then looks for an unfinished merge, then writes. So
 * once the journal exists and we have had a sibling's lock, no other umlcow writes to this sibling.
 *
 * @throws UmlcowError IN_USE, or INPUT_CHANGED when a sibling is another file now or has another header
 */
export function forEachSibling(
  { files, kept, options }: Pick<InPlaceWork, 'files' | 'kept' | 'options'>,
  access: FileAccess,
  run: (overlay: Overlay, sibling: Sibling) => Promise<void>,
): Promise<void> {
  return forEachBounded(kept, siblingsAtOnce, (sibling) => {
    throwIfAborted(options.signal)
    return withLock(files, sibling, options.signal, () => withSibling(files, sibling, access, run))
  })
}

async function withSibling(
  files: HostFiles,
  sibling: Sibling,
  access: FileAccess,
  run: (overlay: Overlay, sibling: Sibling) => Promise<void>,
): Promise<void> {
  const overlay = await openOverlay(files, sibling.path, access)
  try {
    if (!isSameFile(overlay.facts, sibling.facts)) throw changedMeanwhile(overlay.store.name)
    if (Buffer.compare(overlay.header.bytes, sibling.header.bytes) !== 0) throw changedMeanwhile(overlay.store.name)
    await run(overlay, sibling)
  } finally {
    await overlay.store.close()
  }
}

/** Make the error for a file that changed during the preparation. */
export function changedMeanwhile(name: string): UmlcowError {
  return new UmlcowError('INPUT_CHANGED', `${name}: was changed while the merge was prepared`)
}
