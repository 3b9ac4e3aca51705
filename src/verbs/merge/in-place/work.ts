import { forEachBounded } from '../../../bytes/bounded.js'
import type { ExecuteOptions } from '../../../engine/execute.js'
import type { Layers } from '../../../engine/layers.js'
import { throwIfAborted, UmlcowError } from '../../../errors.js'
import type { ForceWord } from '../../../machine/findings.js'
import { type HostFiles, isSameFile } from '../../../machine/host-files.js'
import type { OperationOptions } from '../../../machine/operation.js'
import { withLock } from '../../../machine/processes/file-locks.js'
import type { FileAccess } from '../../../machine/stores/file-store.js'
import type { InputFile } from '../../../overlays/open.js'
import { type Overlay, openOverlay } from '../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import type { Sibling } from '../../../overlays/siblings/siblings.js'
import { type MergeJournal, markerPathOf, markerSuffix } from '../../../overlays/unfinished/merge-journal.js'

/** What the steps of the protocol share: the open files, the journal as it is on the disk, and what was done so far. */
export interface InPlaceWork {
  readonly files: HostFiles
  readonly options: WorkOptions
  readonly overlay: Overlay & { readonly path: Buffer }
  readonly backing: InputFile & { readonly path: Buffer }
  /** Siblings to keep, the undo overlay among them. */
  readonly kept: readonly Sibling[]
  /** All mtimes in headers that are known, and the backing file's own. */
  readonly knownMtimes: readonly number[]
  readonly journalPath: Buffer
  readonly markerPath: Buffer
  /** The journal was there already. */
  readonly resumed: boolean
  journal: MergeJournal
  /** Bytes that each sibling took. */
  readonly copied: Map<Sibling, number>
  verified: 'disk' | 'cache' | null
  readonly warnings: string[]
}

interface WorkOptions extends OperationOptions {
  readonly bufferSize?: number | undefined
  readonly force?: readonly ForceWord[] | undefined
}

/** A merge before its first step, whether it begins or is taken up again. @param warnings  what there is to say so far */
export function makeWork(
  known: Omit<InPlaceWork, 'copied' | 'verified' | 'warnings'>,
  warnings: readonly string[],
): InPlaceWork {
  return { ...known, copied: new Map(), verified: null, warnings: [...warnings] }
}

/** A device has no directory of its own for a marker. */
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

export async function syncUnlessForbidden(
  work: Pick<InPlaceWork, 'journal'>,
  store: { sync(): Promise<void> },
): Promise<void> {
  if (!work.journal.noSync) await store.sync()
}

/** Siblings at work at a time: each takes two file descriptors, one for its lock. */
const siblingsAtOnce = 8

/**
 * Lock each sibling, open it, do something with it. No lock is kept, for there may be thousands: every verb locks what it
 * writes, then looks for an unfinished merge, then writes. So once the journal is there, a sibling whose lock was to be
 * had is touched by nobody else.
 *
 * @throws UmlcowError IN_USE, or INPUT_CHANGED when it is another file by now or has another header
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

export function changedMeanwhile(name: string): UmlcowError {
  return new UmlcowError('INPUT_CHANGED', `${name}: was changed while the merge was prepared`)
}
