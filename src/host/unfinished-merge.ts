import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import type { Finding } from './backing.js'
import type { HostFiles, HostPath } from './host-files.js'
import {
  journalPathOf,
  type MergeJournal,
  markerPathOf,
  markerSuffix,
  readJournal,
  readMarker,
  unreadableJournal,
} from './merge-journal.js'
import { baseName, directoryName, joinPath } from './path-bytes.js'
import { type Liveness, livenessOf } from './process-identity.js'
import { shellQuote } from './shell-quote.js'

/** An in-place merge that was begun and is not over, as found beside an overlay or beside a backing file. */
export interface UnfinishedMerge {
  readonly overlayPath: Buffer
  readonly journalPath: Buffer
  /** Null when the journal is gone and only the marker is left. */
  readonly journal: MergeJournal | null
  /** Null when it was not found by its marker. */
  readonly markerPath: Buffer | null
  /** The process that merges, or did. */
  readonly liveness: Liveness
}

/**
 * The unfinished merge of an overlay, or of any overlay into a backing file.
 *
 * @returns null when there is none
 * @throws  UmlcowError JOURNAL_DAMAGED; JOURNAL_MISMATCH when files were moved or copied since it was begun
 */
export async function findUnfinishedMerge(files: HostFiles, path: HostPath): Promise<UnfinishedMerge | null> {
  return (await findMergeOf(files, path)) ?? findMergeInto(files, path)
}

/** The unfinished merge of this overlay. */
export async function findMergeOf(files: HostFiles, overlayPath: HostPath): Promise<UnfinishedMerge | null> {
  const journalPath = await journalPathOf(files, overlayPath)
  const found = await readJournal(files, journalPath)
  if (found === null) return null
  if (found.journal === null) throw unreadableJournal(journalPath)
  const { journal } = found
  // What a journal says of other files is to be believed only where it was written.
  if (!(await journalPathOf(files, journal.overlay.path)).equals(journalPath)) {
    throw moved(journalPath, journal.overlay.path)
  }
  const liveness = livenessOf(journal.process)
  return { overlayPath: journal.overlay.path, journalPath, journal, markerPath: null, liveness }
}

/** The unfinished merge into this backing file. */
export async function findMergeInto(files: HostFiles, backingPath: HostPath): Promise<UnfinishedMerge | null> {
  const markerPath = await markerPathOrNull(files, backingPath)
  const found = markerPath === null ? null : await readMarker(files, markerPath)
  if (found === null || markerPath === null) return null
  if (found.overlayPath === null) throw unreadableJournal(markerPath)
  const merge = await findMergeOf(files, found.overlayPath)
  if (merge !== null) {
    const isHere = merge.journal?.backing.path.equals(await files.realPath(backingPath))
    if (!isHere) throw moved(markerPath, found.overlayPath)
    return { ...merge, markerPath }
  }
  const journalPath = await journalPathOf(files, found.overlayPath)
  const besideMarker = joinPath(directoryName(markerPath), baseName(journalPath))
  if ((await readJournal(files, besideMarker)) !== null) throw moved(markerPath, found.overlayPath)
  return { overlayPath: found.overlayPath, journalPath, journal: null, markerPath, liveness: 'unknown' }
}

function moved(path: Buffer, overlayPath: Buffer): UmlcowError {
  const shown = printablePath(path)
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${shown}: tells of a merge of ${printablePath(overlayPath)}: the files were moved or copied since that was begun`,
    {
      hint: `move them back where they were; or, when these are copies, forget it: umlcow merge --abandon --force=journal ${shellQuote(path.subarray(0, path.lastIndexOf('.')))}`,
    },
  )
}

export async function markerPathOrNull(files: HostFiles, backingPath: HostPath): Promise<Buffer | null> {
  try {
    return await markerPathOf(files, backingPath)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

/** What to tell of it, and the command that goes on with it. */
export function unfinishedFinding(merge: UnfinishedMerge): Finding {
  const overlay = printablePath(merge.overlayPath)
  if (merge.journal === null) {
    const message =
      `a merge of ${overlay} was begun, and its journal ${printablePath(merge.journalPath)} is gone: ` +
      'the backing file may hold a part of the changes'
    // Only the marker tells of it now, so the overlay's name would lead nowhere.
    const marked = merge.markerPath?.subarray(0, -markerSuffix.length) ?? merge.overlayPath
    return { code: 'UNFINISHED_MERGE', message, hint: `umlcow merge --abandon ${shellQuote(marked)}` }
  }
  const into = printablePath(merge.journal.backing.path)
  if (merge.liveness === 'running') {
    const message = `process ${merge.journal.process.pid} is merging ${overlay} into ${into}`
    return { code: 'UNFINISHED_MERGE', message, hint: 'wait for it' }
  }
  const verb = merge.journal.phase === 'abandoning' ? '--abandon' : '--resume'
  return {
    code: 'UNFINISHED_MERGE',
    message: `the merge of ${overlay} into ${into}, begun ${merge.journal.started}, was not finished`,
    hint: `umlcow merge ${verb} ${shellQuote(merge.overlayPath)}`,
  }
}

/** The same as `find…`, for whoever reports it with other things: a journal that cannot be read is a finding, too. */
export async function unfinishedFindings(
  find: (files: HostFiles, path: HostPath) => Promise<UnfinishedMerge | null>,
  files: HostFiles,
  path: HostPath,
): Promise<Finding[]> {
  try {
    const merge = await find(files, path)
    return merge === null ? [] : [unfinishedFinding(merge)]
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    return [{ code: error.code, message: error.message, hint: error.hint }]
  }
}
