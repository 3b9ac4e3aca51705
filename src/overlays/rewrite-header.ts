import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import type { HostFiles, HostPath } from '../machine/host-files.js'
import { shellQuote } from '../machine/shell-quote.js'
import type { FileStore } from '../machine/stores/file-store.js'
import { readExact, writeExact } from '../stores/block-store.js'
import {
  type RewriteJournal,
  readRewriteJournal,
  readRewriteJournalAt,
  removeRewriteJournal,
  writeRewriteJournal,
} from './rewrite-journal.js'

// A disk writes 512 bytes whole or not at all. So one write is enough for a change inside one such sector. A crash
// could tear any other change. Therefore a journal beside the overlay keeps the old and the new header until the new
// one is synced.

const diskSectorSize = 512

/** The state of the header in the file, by the journal beside the overlay. */
export type RewriteState =
  /** No journal, or a journal about another header. */
  | 'none'
  /** The header is whole, the old one or the new one. The journal is left over. */
  | 'whole'
  /** Part old, part new. */
  | 'torn'

/**
 * Replace the header of an overlay, or the part of it that changed.
 *
 * @param before  the header as it is in the file
 * @param after   the new header, as long as the old
 * @param noSync  skip the fsync: for throwaway images
 */
export async function rewriteHeader(
  files: HostFiles,
  overlayPath: HostPath,
  store: FileStore,
  before: Uint8Array,
  after: Uint8Array,
  noSync = false,
): Promise<void> {
  const { start, end } = changedRange(before, after)
  if (start === end) return
  // A journal that is left over would make the new change look torn.
  await removeRewriteJournal(files, overlayPath)
  const oneSector = Math.floor(start / diskSectorSize) === Math.floor((end - 1) / diskSectorSize)
  if (!oneSector) await writeRewriteJournal(files, overlayPath, { before, after })
  await writeExact(store, start, after.subarray(start, end))
  if (!noSync) await store.sync()
  await removeRewriteJournal(files, overlayPath)
}

/** Find the bytes that differ, from the first to the last. */
function changedRange(before: Uint8Array, after: Uint8Array): { start: number; end: number } {
  let start = 0
  while (start < after.length && before[start] === after[start]) start++
  let end = after.length
  while (end > start && before[end - 1] === after[end - 1]) end--
  return { start, end }
}

/** Refuse a header that a crash has left part old, part new. @throws UmlcowError UNFINISHED_REWRITE */
export async function assertNotTorn(files: HostFiles, overlayPath: HostPath, header: Uint8Array): Promise<void> {
  refuseTorn(overlayPath, await findUnfinishedRewrite(files, overlayPath, header))
}

/** Refuse as `assertNotTorn` does, for a path that is known to have no links. */
export async function assertNotTornAt(files: HostFiles, realPath: Buffer, header: Uint8Array): Promise<void> {
  refuseTorn(realPath, stateOf(await readRewriteJournalAt(files, realPath), header))
}

function refuseTorn(overlayPath: HostPath, state: RewriteState): void {
  if (state !== 'torn') return
  const shown = printablePath(overlayPath)
  throw new UmlcowError('UNFINISHED_REWRITE', `${shown}: the rewrite of its header was cut short`, {
    hint: `umlcow check --repair ${shellQuote(overlayPath)}`,
  })
}

/**
 * Compare a header with the journal beside the overlay.
 *
 * @param header  the first bytes of the overlay, as they are now
 */
export async function findUnfinishedRewrite(
  files: HostFiles,
  overlayPath: HostPath,
  header: Uint8Array,
): Promise<RewriteState> {
  return stateOf(await readRewriteJournal(files, overlayPath), header)
}

function stateOf(journal: RewriteJournal | null, header: Uint8Array): RewriteState {
  if (journal === null || header.length < journal.after.length) return 'none'
  const { before, after } = journal
  let isBefore = true
  let isAfter = true
  for (let i = 0; i < after.length; i++) {
    const old = header[i] === before[i]
    const fresh = header[i] === after[i]
    if (!old && !fresh) return 'none'
    isBefore &&= old
    isAfter &&= fresh
  }
  return isBefore || isAfter ? 'whole' : 'torn'
}

/** Put the old header back where the present one is torn. Remove the journal in any case. */
export async function undoRewrite(files: HostFiles, overlayPath: HostPath, store: FileStore): Promise<void> {
  const journal = await readRewriteJournal(files, overlayPath)
  if (journal === null) return
  const header = new Uint8Array(journal.before.length)
  await readExact(store, 0, header)
  if ((await findUnfinishedRewrite(files, overlayPath, header)) === 'torn') {
    await writeExact(store, 0, journal.before)
    await store.sync()
  }
  await removeRewriteJournal(files, overlayPath)
}
