import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { maxHeaderSize } from '../formats/cow/index.js'
import { orNameTooLong } from '../machine/derived-names.js'
import type { FileFacts, HostFiles, HostPath } from '../machine/host-files.js'
import { directoryName } from '../machine/path-bytes.js'
import type { FileStore } from '../machine/stores/file-store.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { readExact, writeExact } from '../stores/block-store.js'

// The journal of a header rewrite: a file beside the overlay with the old header and the new one.

/** The old header and the new one, of the same length. */
export interface RewriteJournal {
  readonly before: Uint8Array
  readonly after: Uint8Array
}

const journalHead = Buffer.from('umlcow header rewrite 1\n')

/** Name the journal beside the file itself, whatever link leads to the file. Another hard link does not lead there. */
export async function rewriteJournalPath(files: HostFiles, overlayPath: HostPath): Promise<Buffer> {
  return besideRealPath(await files.realPath(overlayPath))
}

function besideRealPath(realPath: Buffer): Buffer {
  return Buffer.concat([realPath, Buffer.from('.umlcow-header')])
}

/** Remove the journal beside an overlay. Leave a file of that name that is not a journal. */
export async function removeRewriteJournal(files: HostFiles, overlayPath: HostPath): Promise<void> {
  if ((await readRewriteJournal(files, overlayPath)) === null) return
  const path = await rewriteJournalPath(files, overlayPath)
  await files.unlink(path)
  await files.syncDirectory(directoryName(path))
}

/** Write the journal beside an overlay. @throws UmlcowError TARGET_EXISTS when something has its name; NAME_TOO_LONG */
export async function writeRewriteJournal(
  files: HostFiles,
  overlayPath: HostPath,
  journal: RewriteJournal,
): Promise<void> {
  const path = await rewriteJournalPath(files, overlayPath)
  const derived = { of: overlayPath, what: 'journal of the header', path }
  if ((await orNameTooLong(derived, files.lstatOrNull(path))) !== null) {
    throw new UmlcowError(
      'TARGET_EXISTS',
      `${printablePath(path)}: has the name that umlcow needs for a journal, and is not one`,
      {
        hint: 'move it away',
      },
    )
  }
  const target = { path, existing: null }
  // Every user who can read the overlay must be able to read the journal, too.
  const { permissions } = await files.stat(overlayPath)
  await writeNewFile(files, target, { permissions: permissions & 0o666 }, async (store) => {
    await writeExact(store, 0, Buffer.concat([journalHead, journal.before, journal.after]))
  })
}

/** Name the journal beside an overlay; null when an open overlay has no name any more, and so has no journal. */
async function existingJournalPath(files: HostFiles, overlayPath: HostPath): Promise<Buffer | null> {
  try {
    return await rewriteJournalPath(files, overlayPath)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** Look at a journal; null for a name that is too long for the file system, because no journal can have it. */
async function lstatShort(files: HostFiles, path: Buffer): Promise<FileFacts | null> {
  try {
    return await files.lstatOrNull(path)
  } catch (error) {
    if (hasCode(error, 'ENAMETOOLONG')) return null
    throw error
  }
}

/** Read the journal beside an overlay; null for no file, or for a file of its name that is not a journal. */
export async function readRewriteJournal(files: HostFiles, overlayPath: HostPath): Promise<RewriteJournal | null> {
  const path = await existingJournalPath(files, overlayPath)
  return path === null ? null : readJournal(files, path)
}

/** Read the journal beside an overlay whose path is known to have no links. */
export function readRewriteJournalAt(files: HostFiles, realPath: Buffer): Promise<RewriteJournal | null> {
  return readJournal(files, besideRealPath(realPath))
}

async function readJournal(files: HostFiles, path: Buffer): Promise<RewriteJournal | null> {
  const facts = await lstatShort(files, path)
  const headersLength = (facts?.size ?? 0) - journalHead.length
  if (facts?.kind !== 'file' || headersLength <= 0 || headersLength > 2 * maxHeaderSize || headersLength % 2 !== 0) {
    return null
  }
  let store: FileStore
  try {
    store = await files.open(path, 'read')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null // Its process has just finished.
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
