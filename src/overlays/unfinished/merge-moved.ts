import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { shellQuote } from '../../machine/shell-quote.js'
import type { MergeJournal } from './merge-journal.js'

// What to tell when a journal or marker lies elsewhere than where it was written. None of these messages suggests to forget
// a merge that may have written to the backing file: its journal is all that tells of the damage.

function tells(path: Buffer, { overlay }: Pick<MergeJournal, 'overlay'>): string {
  return `${printablePath(path)}: tells of a merge of ${printablePath(overlay.path)}: the files were moved or copied since that was begun`
}

function resumeThere({ overlay, phase }: MergeJournal): string {
  return `umlcow merge ${phase === 'abandoning' ? '--abandon' : '--resume'} ${shellQuote(overlay.path)}`
}

/** The file beside it is the one of the merge, under another path: it was moved, or is reached through another mount. */
export function movedItself(path: Buffer, journal: MergeJournal): UmlcowError {
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${tells(path, journal)}; the file beside it is the one of that merge, under another path`,
    {
      hint: `move the files back where they were, or go where they have these paths, and run: ${resumeThere(journal)}`,
    },
  )
}

/** The file beside it is another one: a copy. */
export function movedCopy(path: Buffer, journal: MergeJournal): UmlcowError {
  const beside = path.subarray(0, path.lastIndexOf('.'))
  const forget = `umlcow merge --abandon --force=journal ${shellQuote(beside)}`
  const hint =
    journal.phase === 'preparing'
      ? `move them back where they were; or, when these are copies, forget it, for no byte was changed so far: ${forget}`
      : `finish the merge where it was begun, with ${resumeThere(journal)}, and copy the files then; the backing file here may hold a part of the changes`
  return new UmlcowError('JOURNAL_MISMATCH', `${tells(path, journal)}; the file beside it is another one, a copy`, {
    hint,
  })
}

/** Neither overlay nor journal are there: on a disk that is not mounted, perhaps. */
export function journalGone(markerPath: Buffer, overlayPath: Buffer): UmlcowError {
  const overlay = printablePath(overlayPath)
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${printablePath(markerPath)}: tells of a merge of ${overlay}, and neither that nor its journal is there: the backing file may hold a part of the changes`,
    { hint: `mount the disk that ${overlay} is on, or move it back with its journal` },
  )
}
