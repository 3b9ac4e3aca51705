import { printablePath } from '../../../bytes/escape.js'
import { formatSize } from '../../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../../errors.js'
import { shellQuote } from '../../../machine/shell-quote.js'
import { countOverlay } from '../../../overlays/count-allocated.js'
import { removeUndo, undoPreparation } from './remove-leftovers.js'
import type { InPlaceWork } from './work.js'

/** Clean up after a failure. @returns the error to throw, which says what is left */
export async function afterFailure(work: InPlaceWork, error: unknown): Promise<unknown> {
  if (work.journal.phase !== 'preparing') return withResumeHint(work, error)
  try {
    await undoPreparation(work)
    await removeUndo(work.files, work.journal)
    return isFull(error) ? withRoomHint(error) : error
  } catch {
    return withResumeHint(work, error) // The first failure is more useful than the second.
  }
}

function isFull(error: unknown): error is Error {
  return hasCode(error, 'ENOSPC', 'EDQUOT')
}

function withRoomHint(error: Error): UmlcowError {
  const { code, details } = error as UmlcowError
  return new UmlcowError(code, `${error.message}\nthe backing file is as it was`, {
    details,
    hint: 'free room on that file system, then merge again; --dry-run reports how much the merge needs',
    cause: error,
  })
}

/** Add the command that finishes the merge to the error, if there is a merge to finish. */
export async function withResumeHint(work: InPlaceWork, error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !(await mayBeUnfinished(work))) return error
  const command = `umlcow merge --resume ${shellQuote(work.overlay.path)}`
  const name = printablePath(work.backing.path)
  const room = isFull(error) ? `free up to ${formatSize(await roomWanted(work))} on its file system, then ` : ''
  const state = `${name}: the merge is not finished; no overlay can be opened on it until it is`
  return new UmlcowError(error instanceof UmlcowError ? error.code : 'INTERNAL', `${error.message}\n${state}`, {
    details: { ...(error instanceof UmlcowError ? error.details : {}), unfinished: true },
    hint: room === '' ? command : `${room}${command}`,
    cause: error,
  })
}

/** True when a journal may exist: without one there is nothing to resume. */
async function mayBeUnfinished({ files, journalPath }: InPlaceWork): Promise<boolean> {
  try {
    return (await files.lstatOrNull(journalPath)) !== null
  } catch {
    return true // The first failure is more useful than this one.
  }
}

/** Estimate the bytes that the backing file may still need: at most those of the overlay, and at most its own holes. */
async function roomWanted({ files, overlay, backing }: InPlaceWork): Promise<number> {
  const { size, allocatedSize } = files.statOpen(backing.store)
  const holes = Math.max(0, size - allocatedSize)
  try {
    return Math.min(holes, (await countOverlay(overlay)).touchedLength)
  } catch {
    return holes // The overlay is not readable, either.
  }
}
