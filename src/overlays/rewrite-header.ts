import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { maxHeaderSize } from '../formats/cow/index.js'
import { orNameTooLong } from '../machine/derived-names.js'
import type { FileFacts, HostFiles, HostPath } from '../machine/host-files.js'
import { writeNewFile } from '../machine/new-file.js'
import { directoryName } from '../machine/path-bytes.js'
import { shellQuote } from '../machine/shell-quote.js'
import type { FileStore } from '../machine/stores/file-store.js'
import { readExact, writeExact } from '../stores/block-store.js'

// A disk writes 512 bytes whole or not at all. A header whose change stays inside one such sector is rewritten by one
// write. Any other change could be torn by a crash, so the old and the new header are kept in a journal beside the
// overlay until the new one is synced.

const diskSectorSize = 512

interface RewriteJournal {
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** What the journal beside an overlay says of the header that is in the file now. */
export type RewriteState =
  /** No journal, or one that is about another header. */
  | 'none'
  /** The header is whole, the old one or the new one; the journal is left over. */
  | 'whole'
  /** Part old, part new. */
  | 'torn'

const journalHead = Buffer.from('umlcow header rewrite 1\n')

/** Beside the file itself, whatever link it was reached by. Another hard link does not lead there. */
export async function rewriteJournalPath(files: HostFiles, overlayPath: HostPath): Promise<Buffer> {
  return besideRealPath(await files.realPath(overlayPath))
}

function besideRealPath(realPath: Buffer): Buffer {
  return Buffer.concat([realPath, Buffer.from('.umlcow-header')])
}

/**
 * Replace the header of an overlay, or the part of it that changed.
 *
 * @param before  the header as it is in the file
 * @param after   the new one, as long as the old
 * @param noSync  for throwaway images
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
  // One that is left over would take the new change for a torn one.
  await removeRewriteJournal(files, overlayPath)
  const oneSector = Math.floor(start / diskSectorSize) === Math.floor((end - 1) / diskSectorSize)
  if (!oneSector) await writeJournal(files, overlayPath, { before, after })
  await writeExact(store, start, after.subarray(start, end))
  if (!noSync) await store.sync()
  await removeRewriteJournal(files, overlayPath)
}

/** @returns the bytes that differ, from the first to the last */
function changedRange(before: Uint8Array, after: Uint8Array): { start: number; end: number } {
  let start = 0
  while (start < after.length && before[start] === after[start]) start++
  let end = after.length
  while (end > start && before[end - 1] === after[end - 1]) end--
  return { start, end }
}

/** @throws UmlcowError UNFINISHED_REWRITE when a crash has left the header part old, part new */
export async function assertNotTorn(files: HostFiles, overlayPath: HostPath, header: Uint8Array): Promise<void> {
  refuseTorn(overlayPath, await findUnfinishedRewrite(files, overlayPath, header))
}

/** The same for a path that is known to have no links. */
export async function assertNotTornAt(files: HostFiles, realPath: Buffer, header: Uint8Array): Promise<void> {
  refuseTorn(realPath, stateOf(await readJournalAt(files, besideRealPath(realPath)), header))
}

function refuseTorn(overlayPath: HostPath, state: RewriteState): void {
  if (state !== 'torn') return
  const shown = printablePath(overlayPath)
  throw new UmlcowError('UNFINISHED_REWRITE', `${shown}: the rewrite of its header was cut short`, {
    hint: `umlcow check --repair ${shellQuote(overlayPath)}`,
  })
}

/** @param header  the first bytes of the overlay, as they are now */
export async function findUnfinishedRewrite(
  files: HostFiles,
  overlayPath: HostPath,
  header: Uint8Array,
): Promise<RewriteState> {
  return stateOf(await readJournal(files, overlayPath), header)
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

/** Put the old header back and remove the journal; only the latter when the header is whole. */
export async function undoRewrite(files: HostFiles, overlayPath: HostPath, store: FileStore): Promise<void> {
  const journal = await readJournal(files, overlayPath)
  if (journal === null) return
  const header = new Uint8Array(journal.before.length)
  await readExact(store, 0, header)
  if ((await findUnfinishedRewrite(files, overlayPath, header)) === 'torn') {
    await writeExact(store, 0, journal.before)
    await store.sync()
  }
  await removeRewriteJournal(files, overlayPath)
}

/** Removes a journal; a file of that name that is none stays. */
async function removeRewriteJournal(files: HostFiles, overlayPath: HostPath): Promise<void> {
  if ((await readJournal(files, overlayPath)) === null) return
  const path = await rewriteJournalPath(files, overlayPath)
  await files.unlink(path)
  await files.syncDirectory(directoryName(path))
}

/** @throws UmlcowError TARGET_EXISTS when a file of the journal's name is no journal; NAME_TOO_LONG */
async function writeJournal(files: HostFiles, overlayPath: HostPath, journal: RewriteJournal): Promise<void> {
  const path = await rewriteJournalPath(files, overlayPath)
  const derived = { of: overlayPath, what: 'journal of the header', path }
  if ((await orNameTooLong(derived, files.lstatOrNull(path))) !== null) {
    throw new UmlcowError('TARGET_EXISTS', `${printablePath(path)}: stands where a journal has to be, and is none`, {
      hint: 'move it away',
    })
  }
  const target = { path, existing: null }
  // Whoever may read the overlay has to see the journal, too.
  const { permissions } = await files.stat(overlayPath)
  await writeNewFile(files, target, { permissions: permissions & 0o666 }, async (store) => {
    await writeExact(store, 0, Buffer.concat([journalHead, journal.before, journal.after]))
  })
}

/** Null when the overlay is open and has no name any more: then it has no journal either. */
async function existingJournalPath(files: HostFiles, overlayPath: HostPath): Promise<Buffer | null> {
  try {
    return await rewriteJournalPath(files, overlayPath)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** No journal can have a name that is too long for the file system. */
async function lstatShort(files: HostFiles, path: Buffer): Promise<FileFacts | null> {
  try {
    return await files.lstatOrNull(path)
  } catch (error) {
    if (hasCode(error, 'ENAMETOOLONG')) return null
    throw error
  }
}

async function readJournal(files: HostFiles, overlayPath: HostPath): Promise<RewriteJournal | null> {
  const path = await existingJournalPath(files, overlayPath)
  return path === null ? null : readJournalAt(files, path)
}

async function readJournalAt(files: HostFiles, path: Buffer): Promise<RewriteJournal | null> {
  const facts = await lstatShort(files, path)
  const headersLength = (facts?.size ?? 0) - journalHead.length
  if (facts?.kind !== 'file' || headersLength <= 0 || headersLength > 2 * maxHeaderSize || headersLength % 2 !== 0) {
    return null
  }
  let store: FileStore
  try {
    store = await files.open(path, 'read')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null // Its owner has just finished.
    throw error
  }
  try {
    const bytes = Buffer.alloc(facts.size)
    await readExact(store, 0, bytes)
    if (bytes.compare(journalHead, 0, journalHead.length, 0, journalHead.length) !== 0) return null
    const middle = journalHead.length + headersLength / 2
    return { before: bytes.subarray(journalHead.length, middle), after: bytes.subarray(middle) }
  } finally {
    await store.close()
  }
}
