import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { Finding } from '../../machine/findings.js'
import { type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import { livenessOf } from '../../machine/processes/process-identity.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { findByOtherName } from './find-by-other-name.js'
import {
  isPinned,
  isSameBoot,
  journalPathOf,
  type MergeJournal,
  markerPathOf,
  markerSuffix,
  readJournal,
  readMarker,
  type UnfinishedMerge,
  unreadableJournal,
} from './merge-journal.js'
import { journalGone, movedCopy, movedItself } from './moved-errors.js'

/**
 * Find the unfinished merge of an overlay, or of any overlay into a backing file.
 *
 * @param beside  a file in whose directory to look, too, when the backing file has several names
 * @returns       null when there is none
 * @throws        UmlcowError JOURNAL_DAMAGED; JOURNAL_MISMATCH when files were moved or copied since it began
 */
export async function findUnfinishedMerge(
  files: HostFiles,
  path: HostPath,
  beside: HostPath = path,
): Promise<UnfinishedMerge | null> {
  return (await findMergeOf(files, path)) ?? findMergeInto(files, path, beside)
}

/** Find the unfinished merge of this overlay. */
export async function findMergeOf(files: HostFiles, overlayPath: HostPath): Promise<UnfinishedMerge | null> {
  const merge = await findMergeAt(files, await journalPathOf(files, overlayPath))
  if (merge !== null) return merge
  return findByOtherName(files, overlayPath, [overlayPath], findMergeAt, ({ overlay }) => overlay)
}

/** Find the unfinished merge of a journal. Its files may have another path here, by a bind mount for example. */
export async function findMergeAt(files: HostFiles, journalPath: Buffer): Promise<UnfinishedMerge | null> {
  const found = await readJournal(files, journalPath)
  if (found === null) return null
  if (found.journal === null) throw unreadableJournal(journalPath)
  const { journal } = found
  // What a journal says about other files holds only where umlcow wrote it.
  const written = await journalPathOf(files, journal.overlay.path)
  if (!written.equals(journalPath) && !(await isSame(files, written, journalPath))) {
    const overlayPath = journalPath.subarray(0, journalPath.lastIndexOf('.'))
    throw await movedOrCopied(files, journalPath, journal, [overlayPath, journal.overlay])
  }
  const liveness = livenessOf(journal.process)
  return { overlayPath: journal.overlay.path, journalPath: written, journal, markerPath: null, liveness }
}

async function isSame(files: HostFiles, one: Buffer, other: Buffer): Promise<boolean> {
  const [a, b] = [await files.lstatOrNull(one), await files.lstatOrNull(other)]
  return a !== null && b !== null && isSameFile(a, b)
}

/** Find the unfinished merge into this backing file. @param beside  as for `findUnfinishedMerge` */
export async function findMergeInto(
  files: HostFiles,
  backingPath: HostPath,
  beside: HostPath = backingPath,
): Promise<UnfinishedMerge | null> {
  const markerPath = await markerPathOrNull(files, backingPath)
  const found = markerPath === null ? null : await readMarker(files, markerPath)
  if (markerPath === null) return null
  if (found === null) {
    return findByOtherName(files, backingPath, [backingPath, beside], findMergeAt, ({ backing }) => backing)
  }
  if (found.overlayPath === null) throw unreadableJournal(markerPath)
  const merge = await findMergeAt(files, await journalPathOf(files, found.overlayPath))
  if (merge?.journal) {
    const { backing } = merge.journal
    const isHere = backing.path.equals(await files.realPath(backingPath)) || (await isThat(files, backingPath, merge))
    if (!isHere) throw movedCopy(markerPath, merge.journal)
    return { ...merge, markerPath }
  }
  return markerAlone(files, backingPath, markerPath, found.overlayPath)
}

async function isThat(files: HostFiles, path: HostPath, { journal }: UnfinishedMerge): Promise<boolean> {
  return journal !== null && isPinned(journal.backing, await files.stat(path), isSameBoot(journal))
}

/** Handle a marker whose journal is not where it says: moved with the marker, moved with the overlay, or lost. */
async function markerAlone(
  files: HostFiles,
  backingPath: HostPath,
  markerPath: Buffer,
  overlayPath: Buffer,
): Promise<UnfinishedMerge> {
  const journalPath = await journalPathOf(files, overlayPath)
  const besideMarker = joinPath(directoryName(markerPath), baseName(journalPath))
  const journal = (await readJournal(files, besideMarker))?.journal ?? null
  if (journal !== null) throw await movedOrCopied(files, markerPath, journal, [backingPath, journal.backing])
  if ((await files.lstatOrNull(overlayPath)) === null) throw journalGone(markerPath, overlayPath)
  return { overlayPath, journalPath, journal: null, markerPath, liveness: 'unknown' }
}

async function movedOrCopied(
  files: HostFiles,
  path: Buffer,
  journal: MergeJournal,
  [file, pin]: readonly [HostPath, MergeJournal['overlay'] | MergeJournal['backing']],
): Promise<UmlcowError> {
  const facts = await files.lstatOrNull(file)
  const isItself = facts !== null && isPinned(pin, facts, isSameBoot(journal))
  return isItself ? movedItself(path, journal) : movedCopy(path, journal)
}

/** Name the marker beside a backing file; null where there can be none. */
export async function markerPathOrNull(files: HostFiles, backingPath: HostPath): Promise<Buffer | null> {
  try {
    return await markerPathOf(files, backingPath)
  } catch (error) {
    // A path with no room for the suffix has no marker.
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return null
    throw error
  }
}

/** Report an unfinished merge, with the command that continues it. */
export function unfinishedFinding(merge: UnfinishedMerge): Finding {
  const overlay = printablePath(merge.overlayPath)
  if (merge.journal === null) {
    const message =
      `a merge of ${overlay} was begun, and its journal ${printablePath(merge.journalPath)} is gone: ` +
      'the backing file may hold a part of the changes'
    // Only the marker records the merge now, so the name of the overlay would lead nowhere.
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

/** Convert the result of `find` to findings. A journal that umlcow cannot read is a finding, too. */
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
