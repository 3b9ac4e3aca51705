import { printablePath } from '../../../../bytes/escape.js'
import { UmlcowError } from '../../../../errors.js'
import type { ForceWord } from '../../../../machine/findings.js'
import type { HostFiles } from '../../../../machine/host-files.js'
import type { OperationOptions } from '../../../../machine/operation-options.js'
import { lockFiles } from '../../../../machine/processes/lock-files.js'
import type { HostLock } from '../../../../machine/processes/process-lock.js'
import { shellQuote } from '../../../../machine/shell-quote.js'
import type { FileStore } from '../../../../machine/stores/file-store.js'
import { headerDigest } from '../../../../overlays/header-digest.js'
import { type InputFile, openInput } from '../../../../overlays/open.js'
import { type Overlay, openOverlay } from '../../../../overlays/open-overlay.js'
import {
  isPinned,
  isSameBoot,
  type MergeJournal,
  type PinnedFile,
  readMarker,
  type UnfinishedMerge,
} from '../../../../overlays/unfinished/merge-journal.js'
import { findUnfinishedMerge, unfinishedFinding } from '../../../../overlays/unfinished/unfinished-merge.js'
import { closeAndUnlock } from '../close-and-unlock.js'
import { markerPlace } from '../work.js'

export interface ResumeOptions extends OperationOptions {
  /** Search these directories for siblings that have moved. */
  readonly siblingsIn?: readonly string[] | undefined
  /**
   * `in-use`: ignore users; `siblings`: go on without the siblings that have changed; `journal`: when umlcow cannot see
   * the process that began the merge, assume that it has ended, and abandon even files that do not match the journal.
   */
  readonly force?: readonly ForceWord[] | undefined
}

/** An unfinished merge whose process has ended. Its files are locked, and those that exist are open. */
export interface StoppedMerge {
  readonly files: HostFiles
  readonly merge: UnfinishedMerge & { readonly journal: MergeJournal }
  readonly markerPath: Buffer
  /** True when the overlay carries the new mtime, or was deleted as requested: only the journal is left to remove. */
  readonly isCommitted: boolean
  /** Null when the overlay is gone. */
  readonly overlay: (Overlay & { readonly path: Buffer }) | null
  readonly backing: InputFile & { readonly path: Buffer }
  close(): Promise<void>
}

/**
 * Find an unfinished merge, lock its files and open them.
 *
 * @throws UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE, JOURNAL_…, IN_USE
 */
export async function takeUp(files: HostFiles, path: string, options: ResumeOptions): Promise<StoppedMerge> {
  const early = await findStopped(files, path, options)
  const opened: FileStore[] = []
  const locks: HostLock[] = []
  const close = () => closeAndUnlock(opened, locks)
  try {
    const { journal } = early
    const backingFacts = await files.stat(journal.backing.path)
    locks.push(await lockFiles(files, [{ path: journal.backing.path, facts: backingFacts }]))
    const overlayFacts = await files.lstatOrNull(journal.overlay.path)
    if (overlayFacts !== null) {
      locks.push(await lockFiles(files, [{ path: journal.overlay.path, facts: overlayFacts }]))
    }
    // Another umlcow may have changed the merge before we had the locks.
    const merge = await findStopped(files, path, options)
    if (
      !merge.journal.overlay.path.equals(journal.overlay.path) ||
      !merge.journal.backing.path.equals(journal.backing.path)
    ) {
      throw new UmlcowError('INPUT_CHANGED', `${printablePath(path)}: another merge was begun meanwhile; try again`)
    }
    const backing = { ...(await openInput(files, journal.backing.path, 'readWrite')), path: journal.backing.path }
    opened.push(backing.store)
    refuseOther(backing, merge.journal, merge.journal.backing, backing.facts.size === merge.journal.backing.size)
    const overlay = overlayFacts === null ? null : await openPinned(files, merge.journal)
    if (overlay !== null) opened.push(overlay.store)
    const markerPath = await markerPlace(files, merge.journal.overlay.path, backing)
    const isMarked = (await readMarker(files, markerPath))?.overlayPath?.equals(merge.journal.overlay.path) === true
    const isCommitted = isFinished(merge.journal, backing, overlay)
    if (!isCommitted)
      refuseDoubtful(merge.journal, markerPath, overlay, isMarked || isFinalMtime(merge.journal, backing.facts.mtime))
    return { files, merge, markerPath, isCommitted, overlay, backing, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Find out whether only the journal is left of the merge. The merge sets the backing file's final mtime before it
 * changes the overlay.
 */
function isFinished(journal: MergeJournal, backing: InputFile, overlay: Overlay | null): boolean {
  if (journal.phase !== 'writing') return false
  const isDevice = backing.facts.kind === 'blockDevice'
  if (overlay === null) {
    return journal.afterwards === 'delete' && !isDevice && isFinalMtime(journal, backing.facts.mtime)
  }
  if (overlay.header.mtime === journal.overlay.mtime) return false
  return isDevice || isFinalMtime(journal, overlay.header.mtime)
}

/** True for the final mtime, which no write gives to the backing file: the merge set it. */
function isFinalMtime({ mtimes }: MergeJournal, mtime: number): boolean {
  return mtime === mtimes.final
}

/** Refuse a state that the merge itself never leaves: another program must have changed the files. */
function refuseDoubtful(journal: MergeJournal, markerPath: Buffer, overlay: Overlay | null, isExpected: boolean): void {
  if (overlay === null) throw overlayGone(journal)
  const { phase } = journal
  if (phase === 'abandoning') return
  if (overlay.header.mtime !== journal.overlay.mtime) {
    throw mismatch(`${overlay.store.name}: the mtime in its header was changed since the merge began`, journal)
  }
  if (phase === 'writing' && !isExpected) {
    throw mismatch(`${printablePath(markerPath)}: does not name this merge`, journal)
  }
}

/** Find the unfinished merge. It must exist, and its process must have ended. */
async function findStopped(files: HostFiles, path: string, options: ResumeOptions): Promise<StoppedMerge['merge']> {
  const merge = await findUnfinishedMerge(files, path)
  if (merge === null) {
    throw new UmlcowError('NOTHING_UNFINISHED', `${printablePath(path)}: there is no unfinished merge`)
  }
  const { journal } = merge
  const { code, message, hint } = unfinishedFinding(merge)
  if (journal === null) throw new UmlcowError('JOURNAL_DAMAGED', message, { hint })
  if (merge.liveness === 'running') throw new UmlcowError(code, message, { hint })
  if (merge.liveness === 'unknown' && !options.force?.includes('journal')) {
    throw new UmlcowError(
      'UNFINISHED_MERGE',
      `${message}; process ${journal.process.pid} on ${printablePath(journal.process.hostName)} began it, and umlcow cannot tell from here whether it has ended`,
      { hint: 'finish the merge there, or add --force=journal if you are sure that the process has ended' },
    )
  }
  return { ...merge, journal }
}

async function openPinned(files: HostFiles, journal: MergeJournal): Promise<Overlay & { path: Buffer }> {
  const { overlay: pin } = journal
  const overlay = { ...(await openOverlay(files, pin.path, 'readWrite')), path: pin.path }
  try {
    refuseOther(overlay, journal, pin, headerDigest(overlay.header) === pin.headerDigest)
    return overlay
  } catch (error) {
    await overlay.store.close()
    throw error
  }
}

function refuseOther(input: InputFile, journal: MergeJournal, pin: PinnedFile, fits: boolean): void {
  if (fits && isPinned(pin, input.facts, isSameBoot(journal))) return
  throw mismatch(`${input.store.name}: is not the file that the journal names`, journal)
}

/** Make the error for files that do not match the journal. The hint forgets the merge only if no byte has changed. */
function mismatch(message: string, { overlay, phase }: MergeJournal): UmlcowError {
  const forget = `; or forget the merge, which has changed no byte so far: umlcow merge --abandon --force=journal ${shellQuote(overlay.path)}`
  return new UmlcowError('JOURNAL_MISMATCH', message, {
    hint: `put back what was there when the merge was begun${phase === 'preparing' ? forget : ''}`,
  })
}

function overlayGone(journal: MergeJournal): UmlcowError {
  const gone = printablePath(journal.overlay.path)
  return mismatch(`${gone}: the overlay is gone, and the backing file may hold only a part of its changes`, journal)
}
