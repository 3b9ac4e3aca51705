import { printablePath } from '../../../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../../../errors.js'
import { type HostFiles, localHostFiles } from '../../../../machine/host-files.js'
import { checkedOptions, operationRules, textPath } from '../../../../machine/option-rules.js'
import { livenessOf } from '../../../../machine/processes/process-identity.js'
import { withUnseenTold } from '../../../../machine/processes/unseen-users.js'
import { findMergeAround } from '../../../../overlays/unfinished/find-merge-around.js'
import {
  journalPathOf,
  type MergeJournal,
  markerSuffix,
  readJournal,
  readMarker,
  replaceJournal,
  type UnfinishedMerge,
} from '../../../../overlays/unfinished/merge-journal.js'
import { findUnfinishedMerge, markerPathOrNull } from '../../../../overlays/unfinished/unfinished-merge.js'
import { resumeRules } from '../options.js'
import { removeFiles, removeUndo, undoPreparation } from '../remove-leftovers.js'
import { refreshSiblings, removeJournalAndMarker, setFinalMtime, writeFinalMtime } from '../steps.js'
import { removeCommitted, takeUpWork } from './resume.js'
import { type ResumeOptions, type StoppedMerge, takeUp } from './take-up.js'

export interface AbandonResult {
  readonly overlay: Buffer
  /** Null when `content` is `unknown`. */
  readonly backing: Buffer | null
  /**
   * The content of the backing file: `old`, from before the merge; `merged`, with all changes; `mixed`, with some of
   * them; `unknown`, when the journal is gone.
   */
  readonly content: 'old' | 'merged' | 'mixed' | 'unknown'
  /** Overlays that show the right content over the backing file. */
  readonly usable: readonly Buffer[]
  /** Every removed file: journal, marker, undo overlay. */
  readonly removed: readonly Buffer[]
  readonly warnings: readonly string[]
}

/**
  * Give up a merge that was cut short. Its overlay stays usable, and so do siblings that the merge copied into. It
 * removes the journal and the marker. If the backing file has its old content, it also sets its modification time back
 * and removes the undo overlay. If the file holds some of the changes, the file and these overlays get a new
 * modification time.

 *
 * @param path  the overlay or the backing file
 * @throws      UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE when it still runs, JOURNAL_MISMATCH, IN_USE
 */
export async function abandonMerge(path: string | URL, options: ResumeOptions = {}): Promise<AbandonResult> {
  const file = textPath('path', path)
  const checked = checkedOptions(options, resumeRules)
  return withUnseenTold(options.files ?? localHostFiles, (files) => abandon(files, file, checked))
}

async function abandon(files: HostFiles, path: string, options: ResumeOptions): Promise<AbandonResult> {
  let stopped: StoppedMerge
  try {
    const found = await findUnfinishedMerge(files, path)
    if (found !== null && found.journal === null) return await forget(files, path)
    stopped = await takeUp(files, path, options)
  } catch (error) {
    if (!options.force?.includes('journal') || !hasCode(error, 'JOURNAL_MISMATCH', 'JOURNAL_DAMAGED', 'ENOENT'))
      throw error
    return await forget(files, path)
  }
  try {
    const { backing } = stopped
    const { journal } = stopped.merge
    const common = { overlay: journal.overlay.path, backing: backing.path, usable: [], warnings: [] }
    if (journal.phase === 'preparing') return { ...common, ...(await restore(stopped)) }
    if (journal.phase === 'writing' && (stopped.isCommitted || stopped.overlay === null)) {
      return { ...common, content: 'merged', removed: await removeCommitted(stopped) }
    }
    return { ...common, ...(await leaveMixed(stopped, options)) }
  } finally {
    await stopped.close()
  }
}

/**
 * Remove the journal and the marker beside a file, and the ones that these name, if they belong to the same merge. Keep
 * every other file: their content is unknown.
 */
async function forget(files: HostFiles, path: string): Promise<AbandonResult> {
  const place = { journal: await journalPathOf(files, path), marker: await markerPathOrNull(files, path) }
  const journal = (await readJournal(files, place.journal))?.journal ?? null
  const marker = place.marker === null ? null : await readMarker(files, place.marker)
  if (journal !== null && livenessOf(journal.process) === 'running') {
    throw new UmlcowError('UNFINISHED_MERGE', `process ${journal.process.pid} is at work on it`, {
      hint: 'wait for it',
    })
  }
  const overlay = journal?.overlay.path ?? marker?.overlayPath ?? Buffer.from(path)
  const removed: Buffer[] = []
  if (marker !== null && place.marker !== null) removed.push(place.marker)
  if (marker?.overlayPath) removed.push(...(await journalInto(files, marker.overlayPath, place.marker)))
  if (journal !== null) removed.push(...(await markerOf(files, journal, place.journal)), place.journal)
  if (removed.length === 0) {
    throw new UmlcowError('NOTHING_UNFINISHED', `${printablePath(path)}: there is no unfinished merge`)
  }
  const gone = await removeFiles(files, removed)
  return { overlay, backing: null, content: 'unknown', usable: [], removed: gone, warnings: [] }
}

/** Find the journal that a marker names, if it names the same backing file. */
async function journalInto(files: HostFiles, overlayPath: Buffer, marker: Buffer | null): Promise<Buffer[]> {
  const place = await journalPathOf(files, overlayPath)
  const journal = (await readJournal(files, place))?.journal ?? null
  if (journal === null || marker === null || livenessOf(journal.process) === 'running') return []
  return Buffer.concat([journal.backing.path, Buffer.from(markerSuffix)]).equals(marker) ? [place] : []
}

/**
 * Find the marker beside the backing file that a journal names, if it names the same overlay. A copied journal names
 * the files of another merge.
 */
async function markerOf(files: HostFiles, journal: MergeJournal, journalPath: Buffer): Promise<Buffer[]> {
  if (!(await journalPathOf(files, journal.overlay.path)).equals(journalPath)) return []
  const place = Buffer.concat([journal.backing.path, Buffer.from(markerSuffix)])
  const marker = await readMarker(files, place)
  return marker?.overlayPath?.equals(journal.overlay.path) ? [place] : []
}

async function restore(stopped: StoppedMerge): Promise<Pick<AbandonResult, 'content' | 'removed' | 'warnings'>> {
  const { files, merge, backing, markerPath } = stopped
  const { journal, journalPath } = merge
  const { untouched, removed } = await undoPreparation({ files, backing, journal, journalPath, markerPath })
  // The undo overlay lies over the old content and has no sectors of its own.
  removed.push(...(await removeUndo(files, journal)))
  if (untouched) return { content: 'old', removed, warnings: [] }
  const name = printablePath(backing.path)
  return {
    content: 'old',
    removed,
    warnings: [`${name}: was written to since the merge began, so it keeps the modification time of that write`],
  }
}

/** Leave a backing file with a part of the changes. The overlay and its kept siblings still show the right content. */
async function leaveMixed(
  stopped: StoppedMerge,
  options: ResumeOptions,
): Promise<Pick<AbandonResult, 'content' | 'usable' | 'removed' | 'warnings'>> {
  const { files, overlay } = stopped
  if (overlay === null) {
    const { markerPath, merge } = stopped
    const removed = await removeJournalAndMarker({ files, markerPath, journalPath: merge.journalPath })
    return { content: 'merged', usable: [], removed, warnings: [] }
  }
  const { work } = await takeUpWork(stopped, overlay, options)
  work.journal = { ...work.journal, phase: 'abandoning' }
  // Otherwise a resume would read the new mtime in the overlay's header as the end of the merge.
  await replaceJournal(files, work.journalPath, work.journal)
  await setFinalMtime(work)
  await refreshSiblings(work)
  if (work.journal.leadsToBacking) await writeFinalMtime(work, overlay)
  const removed = await removeJournalAndMarker(work)
  const usable = [...(work.journal.leadsToBacking ? [overlay.path] : []), ...work.kept.map(({ path }) => path)]
  return { content: 'mixed', usable, removed, warnings: work.warnings }
}

export interface MergeStatus {
  /** Null when there is none. */
  readonly merge: UnfinishedMerge | null
}

/**
 * Find the unfinished merge that an overlay, a backing file or a kept sibling belongs to.
 *
 * @throws UmlcowError JOURNAL_DAMAGED
 */
export async function mergeStatus(
  path: string | URL,
  options: { readonly files?: HostFiles } = {},
): Promise<MergeStatus> {
  const { files = localHostFiles } = checkedOptions(options, operationRules)
  const file = textPath('path', path)
  const merge = await findMergeAround(files, file)
  // A mistyped name must not look like a file without an unfinished merge.
  if (merge === null) await files.stat(file)
  return { merge }
}
