import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { shellQuote } from '../../machine/shell-quote.js'
import type { MergeJournal } from './merge-journal.js'

// Errors for a journal or marker that does not lie where umlcow wrote it. No hint suggests forgetting a merge that may
// have written to the backing file: only its journal records the damage.

function tells(path: Buffer, { overlay }: Pick<MergeJournal, 'overlay'>): string {
  return `${printablePath(path)}: records a merge of ${printablePath(overlay.path)}: the files were moved or copied since it began`
}

function resumeThere({ overlay, phase }: MergeJournal): string {
  return `umlcow merge ${phase === 'abandoning' ? '--abandon' : '--resume'} ${shellQuote(overlay.path)}`
}

/** Make the error for a file of the merge under another path: it was moved, or another mount leads to it. */
export function movedItself(path: Buffer, journal: MergeJournal): UmlcowError {
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${tells(path, journal)}; the file beside it belongs to that merge, but has another path`,
    {
      hint: `move the files back where they were, or go where they have these paths, and run: ${resumeThere(journal)}`,
    },
  )
}

/** Make the error for a copy: the file beside the journal or marker is not the one of the merge. */
export function movedCopy(path: Buffer, journal: MergeJournal): UmlcowError {
  const beside = path.subarray(0, path.lastIndexOf('.'))
  const forget = `umlcow merge --abandon --force=journal ${shellQuote(beside)}`
  const hint =
    journal.phase === 'preparing'
      ? `move them back where they were; if these are copies, forget the merge, which has changed no byte: ${forget}`
      : `finish the merge where it began, with ${resumeThere(journal)}, then copy the files again; the backing file here may hold a part of the changes`
  return new UmlcowError('JOURNAL_MISMATCH', `${tells(path, journal)}; the file beside it is another one, a copy`, {
    hint,
  })
}

/** Make the error for a marker without overlay and journal: perhaps their disk is not mounted. */
export function journalGone(markerPath: Buffer, overlayPath: Buffer): UmlcowError {
  const overlay = printablePath(overlayPath)
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${printablePath(markerPath)}: records a merge of ${overlay}, but neither that overlay nor its journal is there: the backing file may hold a part of the changes`,
    { hint: `mount the disk that ${overlay} is on, or move it back with its journal` },
  )
}
