import { printablePath } from '../../bytes/escape.js'
import { type HostFiles, localHostFiles } from '../../host/host-files.js'
import { replaceJournal } from '../../host/merge-journal.js'
import { findUnfinishedMerge, type UnfinishedMerge } from '../../host/unfinished-merge.js'
import { undoPreparation } from './leftovers.js'
import { makeWork, removeCommitted } from './resume.js'
import { refreshSiblings, removeJournal, setFinalMtime, writeFinalMtime } from './steps.js'
import { type ResumeOptions, type TakenUp, takeUp } from './take-up.js'

export interface AbandonResult {
  readonly overlay: Buffer
  /** Null when nothing is known of it any more. */
  readonly backing: Buffer | null
  /**
   * What the backing file holds: `old`, its content from before the merge; `merged`, all changes; `mixed`, some of them;
   * `unknown`, when the journal is gone.
   */
  readonly content: 'old' | 'merged' | 'mixed' | 'unknown'
  /** Overlays through which everything reads right. */
  readonly usable: readonly Buffer[]
  readonly warnings: readonly string[]
}

/**
 * Give up a merge that was cut short. Its overlay, and siblings that were copied up, stay usable; nothing else is touched.
 *
 * @param path  of the overlay or of the backing file
 * @throws      UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE when it still runs, JOURNAL_MISMATCH, IN_USE
 */
export async function abandonMerge(path: string, options: ResumeOptions = {}): Promise<AbandonResult> {
  const files = options.files ?? localHostFiles
  const found = await findUnfinishedMerge(files, path)
  if (found !== null && found.journal === null) return forgetMarker(files, found)
  const taken = await takeUp(files, path, options)
  try {
    const { backing } = taken
    const { journal } = taken.merge
    const common = { overlay: journal.overlay.path, backing: backing.path, usable: [], warnings: [] }
    if (journal.phase === 'preparing') return { ...common, ...(await restore(taken)) }
    if (journal.phase === 'writing' && (taken.isCommitted || taken.overlay === null)) {
      await removeCommitted(taken)
      return { ...common, content: 'merged' }
    }
    return { ...common, ...(await leaveMixed(taken, options)) }
  } finally {
    await taken.close()
  }
}

/** A marker whose journal is gone. */
async function forgetMarker(files: HostFiles, merge: UnfinishedMerge): Promise<AbandonResult> {
  const { overlayPath, journalPath } = merge
  if (merge.markerPath !== null) await removeJournal({ files, markerPath: merge.markerPath, journalPath })
  return { overlay: overlayPath, backing: null, content: 'unknown', usable: [], warnings: [] }
}

async function restore(taken: TakenUp): Promise<Pick<AbandonResult, 'content' | 'warnings'>> {
  const { files, merge, backing, markerPath } = taken
  const { journal, journalPath } = merge
  const untouched = await undoPreparation({ files, backing, journal, journalPath, markerPath })
  if (untouched) return { content: 'old', warnings: [] }
  const name = printablePath(backing.path)
  return {
    content: 'old',
    warnings: [`${name}: somebody has written to it since, so it keeps the modification time of that`],
  }
}

/** The backing file holds a part of the changes: through the overlay and its kept siblings it reads right all the same. */
async function leaveMixed(
  taken: TakenUp,
  options: ResumeOptions,
): Promise<Pick<AbandonResult, 'content' | 'usable' | 'warnings'>> {
  const { files, overlay } = taken
  if (overlay === null) {
    await removeJournal({ files, markerPath: taken.markerPath, journalPath: taken.merge.journalPath })
    return { content: 'merged', usable: [], warnings: [] }
  }
  const { work, warnings } = await makeWork(taken, overlay, options)
  work.journal = { ...work.journal, phase: 'abandoning' }
  // Otherwise a resume would take the new mtime in the overlay's header for the end of the merge.
  await replaceJournal(files, work.journalPath, work.journal)
  await setFinalMtime(work)
  await refreshSiblings(work)
  if (work.journal.leadsToBacking) await writeFinalMtime(work, overlay)
  await removeJournal(work)
  const usable = [...(work.journal.leadsToBacking ? [overlay.path] : []), ...work.kept.map(({ path }) => path)]
  return { content: 'mixed', usable, warnings }
}

export interface MergeStatus {
  /** Null when there is none. */
  readonly merge: UnfinishedMerge | null
}

/** The unfinished merge of an overlay, or into a backing file. @throws UmlcowError JOURNAL_DAMAGED */
export async function mergeStatus(path: string, options: { readonly files?: HostFiles } = {}): Promise<MergeStatus> {
  return { merge: await findUnfinishedMerge(options.files ?? localHostFiles, path) }
}
