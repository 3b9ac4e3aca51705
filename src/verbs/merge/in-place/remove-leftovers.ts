import { hasCode } from '../../../errors.js'
import { type HostFiles, mtimeNanoseconds } from '../../../machine/host-files.js'
import { directoryName } from '../../../machine/path-bytes.js'
import {
  isOurMtime,
  isPinned,
  isSameBoot,
  type MergeJournal,
  readJournal,
  readMarker,
} from '../../../overlays/unfinished/merge-journal.js'
import { setBackingMtime } from './mtimes/backing-mtime.js'
import type { InPlaceWork } from './work.js'

/** Remove files that may be gone already, and sync each removal before the next. @returns the files that existed */
export async function removeFiles(files: HostFiles, paths: readonly Buffer[]): Promise<Buffer[]> {
  const removed: Buffer[] = []
  for (const path of paths) {
    try {
      await files.unlink(path)
      removed.push(path)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    await files.syncDirectory(directoryName(path))
  }
  return removed
}

/** Remove the undo overlay of a merge that was undone. Another file that has its name by now stays. */
export async function removeUndo(files: HostFiles, journal: MergeJournal): Promise<Buffer[]> {
  const { backup } = journal
  const facts = backup === null ? null : await files.lstatOrNull(backup.path)
  if (backup === null || facts === null || !isPinned(backup, facts, isSameBoot(journal))) return []
  return removeFiles(files, [backup.path])
}

/**
 * Undo the steps that ran before the merge changed a byte of the backing file's content.
 *
 * @returns the removed files; `untouched` is false when the backing file has an mtime that the merge did not set. Then
 *          another program has written to it since, so it keeps that mtime.
 */
export async function undoPreparation(work: UndoableWork): Promise<{ untouched: boolean; removed: Buffer[] }> {
  const { files, backing, journal } = work
  const now = files.statOpen(backing.store)
  const { mtime } = now
  const isOurs = isOurMtime(journal, mtime) && mtimeNanoseconds(now) === 0
  if (isOurs) await setBackingMtime(work, journal.backing.mtime, journal.backing.mtimeNanoseconds)
  // The journal and the marker may belong to the merge of another machine: remove only our own.
  const removed: Buffer[] = []
  const written = await readJournal(files, work.journalPath)
  if (written?.journal?.started === journal.started && written.journal.process.pid === journal.process.pid) {
    const marker = await readMarker(files, work.markerPath)
    const paths = marker?.overlayPath?.equals(journal.overlay.path)
      ? [work.markerPath, work.journalPath]
      : [work.journalPath]
    removed.push(...(await removeFiles(files, paths)))
  }
  const untouched = isOurs || mtime === journal.backing.mtime || backing.facts.kind === 'blockDevice'
  return { untouched, removed }
}

type UndoableWork = Pick<InPlaceWork, 'files' | 'backing' | 'journal' | 'journalPath' | 'markerPath'>
