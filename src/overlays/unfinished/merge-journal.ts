import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import { type Liveness, thisProcess } from '../../machine/processes/process-identity.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { inspectTarget, writeNewFile } from '../../machine/write-new-file.js'
import { readExact, writeExact } from '../../stores/block-store.js'
import {
  type MergeJournal,
  type PinnedFile,
  type PinnedOverlay,
  serializeJournal,
  serializeMarker,
} from './journal-json.js'
import { parseJournal, parseMarker } from './parse-journal.js'

export {
  type Afterwards,
  allAfterwards,
  type MergeJournal,
  type PinnedFile,
  type PinnedOverlay,
  type PinnedSibling,
} from './journal-json.js'

// The journal of an in-place merge lies beside the overlay, the marker beside the backing file. umlcow makes the
// journal first and removes it last, so a marker always has a journal.

/** An unfinished in-place merge, as found beside an overlay or beside a backing file. */
export interface UnfinishedMerge {
  readonly overlayPath: Buffer
  readonly journalPath: Buffer
  /** Null when the journal is gone and only the marker is left. */
  readonly journal: MergeJournal | null
  /** Null when umlcow found the merge without its marker. */
  readonly markerPath: Buffer | null
  /** Whether the process of the merge still runs. */
  readonly liveness: Liveness
}

/** The longest journal that umlcow reads, bytes: room for a hundred thousand siblings. */
const longestJournal = 64 * 1024 * 1024

export const journalSuffix = '.umlcow-journal'

/** Name the journal beside an overlay, with links resolved. */
export async function journalPathOf(files: HostFiles, overlayPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await realPathOrSame(files, overlayPath), Buffer.from(journalSuffix)])
}

export const markerSuffix = '.umlcow-merging'

/** Name the marker beside a backing file, with links resolved. */
export async function markerPathOf(files: HostFiles, backingPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await files.realPath(backingPath), Buffer.from(markerSuffix)])
}

/**
 * Resolve a path, or only its directory: a merge with `--delete` may have removed the overlay, and its name must still
 * lead to the journal.
 */
async function realPathOrSame(files: HostFiles, path: HostPath): Promise<Buffer> {
  for (const place of [path, directoryName(path)]) {
    try {
      const real = await files.realPath(place)
      return place === path ? real : joinPath(real, baseName(path))
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
  return pathBytes(path)
}

/** Test whether a file is the one recorded. Device numbers hold only until the machine restarts. */
export function isPinned(pin: PinnedFile, facts: FileFacts, sameBoot: boolean): boolean {
  return pin.inode === facts.inode && (!sameBoot || pin.device === facts.device)
}

/** Test whether the machine has run since umlcow wrote the journal. Device numbers hold only until a restart. */
export function isSameBoot({ process: { boot } }: Pick<MergeJournal, 'process'>): boolean {
  return boot !== null && boot === thisProcess().boot
}

/**
 * Find what a journal records of a file: as its overlay, a kept sibling or the undo overlay; null for none of these.
 */
export function pinOf(journal: MergeJournal, facts: FileFacts, sameBoot: boolean): PinnedOverlay | null {
  const { overlay, siblings, backup } = journal
  const pins = [overlay, ...siblings, ...(backup === null ? [] : [backup])]
  return pins.find((pin) => isPinned(pin, facts, sameBoot)) ?? null
}

/**
 * Test whether a merge that was still preparing gave the backing file this mtime.
 *
 * A resume may have stopped before it set its own mtime. The mtime of the run before it then counts, too.
 */
export function isOurMtime({ mtimes }: MergeJournal, mtime: number): boolean {
  return mtime === mtimes.invalid || mtime === mtimes.shown
}

/** Make the journal. @throws UmlcowError TARGET_EXISTS when there is one */
export async function createJournal(files: HostFiles, path: Buffer, journal: MergeJournal): Promise<void> {
  await write(files, path, serializeJournal(journal), journal.noSync, false)
}

/** Replace the journal by another. */
export async function replaceJournal(files: HostFiles, path: Buffer, journal: MergeJournal): Promise<void> {
  await write(files, path, serializeJournal(journal), journal.noSync, true)
}

/** Make the marker. @throws UmlcowError TARGET_EXISTS when there is one */
export async function createMarker(
  files: HostFiles,
  path: Buffer,
  overlayPath: Buffer,
  noSync: boolean,
): Promise<void> {
  await write(files, path, serializeMarker(overlayPath), noSync, false)
}

async function write(files: HostFiles, path: Buffer, bytes: Buffer, noSync: boolean, replace: boolean): Promise<void> {
  const target = replace ? await inspectTarget(files, path, true) : { path, existing: null }
  await writeNewFile(files, target, { permissions: 0o644, noSync }, (store) => writeExact(store, 0, bytes))
}

/** Read a journal. @returns null for no file; `journal` is null when umlcow cannot read it */
export async function readJournal(files: HostFiles, path: Buffer): Promise<{ journal: MergeJournal | null } | null> {
  const bytes = await readSmallFile(files, path)
  return bytes === null ? null : { journal: parseJournal(bytes) }
}

/** Read a marker. @returns null for no file; `overlayPath` is null when umlcow cannot read it */
export async function readMarker(files: HostFiles, path: Buffer): Promise<{ overlayPath: Buffer | null } | null> {
  const bytes = await readSmallFile(files, path)
  return bytes === null ? null : { overlayPath: parseMarker(bytes) }
}

/** Read a regular file: null for no file, no bytes for a file of another kind or one too long to be ours. */
async function readSmallFile(files: HostFiles, path: Buffer): Promise<Buffer | null> {
  let store: FileStore
  try {
    const facts = await files.lstatOrNull(path)
    if (facts === null) return null
    if (facts.kind !== 'file' || facts.size > longestJournal) return Buffer.alloc(0)
    store = await files.open(path, 'read')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENAMETOOLONG')) return null
    throw error
  }
  try {
    const bytes = Buffer.alloc(Math.min(store.size, longestJournal))
    await readExact(store, 0, bytes)
    return bytes
  } finally {
    await store.close()
  }
}

/** Make the error for a journal or marker that is damaged or not ours. */
export function unreadableJournal(path: Buffer): UmlcowError {
  const shown = printablePath(path)
  return new UmlcowError('JOURNAL_DAMAGED', `${shown}: is not a journal that this release can read`, {
    hint: 'if no merge was ever begun here, move it away',
  })
}
