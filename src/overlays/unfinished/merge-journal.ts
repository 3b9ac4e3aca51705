import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { inspectTarget, writeNewFile } from '../../machine/new-file.js'
import { baseName, directoryName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import { type Liveness, thisProcess } from '../../machine/processes/process-identity.js'
import type { FileStore } from '../../machine/stores/file-store.js'
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

// The journal of an in-place merge lies beside the overlay, the marker beside the backing file. The journal is made
// first and removed last, so that a marker is never without one.

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

/** Longest journal that is read, bytes: one of a hundred thousand siblings. */
const longestJournal = 64 * 1024 * 1024

export const journalSuffix = '.umlcow-journal'

export async function journalPathOf(files: HostFiles, overlayPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await realPathOrSame(files, overlayPath), Buffer.from(journalSuffix)])
}

export const markerSuffix = '.umlcow-merging'

export async function markerPathOf(files: HostFiles, backingPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await files.realPath(backingPath), Buffer.from(markerSuffix)])
}

/** An overlay that a merge with `--delete` has removed is still found by its name. */
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

/** The same file, given that device numbers hold only until the machine is started again. */
export function isPinned(pin: PinnedFile, facts: FileFacts, sameBoot: boolean): boolean {
  return pin.inode === facts.inode && (!sameBoot || pin.device === facts.device)
}

/** Device numbers hold until the machine is started again. */
export function isSameBoot({ process: { boot } }: Pick<MergeJournal, 'process'>): boolean {
  return boot !== null && boot === thisProcess().boot
}

/** As what a journal knows a file: its overlay, a kept sibling, the undo overlay; null when it does not. */
export function pinOf(journal: MergeJournal, facts: FileFacts, sameBoot: boolean): PinnedOverlay | null {
  const { overlay, siblings, backup } = journal
  const pins = [overlay, ...siblings, ...(backup === null ? [] : [backup])]
  return pins.find((pin) => isPinned(pin, facts, sameBoot)) ?? null
}

/**
 * Whether a merge that was still preparing has given the backing file this mtime: this one, or, when it is a resume that
 * was stopped before it could, the one before it.
 */
export function isOurMtime({ mtimes }: MergeJournal, mtime: number): boolean {
  return mtime === mtimes.invalid || mtime === mtimes.shown
}

/** Make the journal. @throws UmlcowError TARGET_EXISTS when there is one */
export async function createJournal(files: HostFiles, path: Buffer, journal: MergeJournal): Promise<void> {
  await write(files, path, serializeJournal(journal), journal.noSync, false)
}

/** Put another journal in the place of the one that is there. */
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

/** What lies at the place of a journal. @returns null when nothing does; `journal` is null when it cannot be read */
export async function readJournal(files: HostFiles, path: Buffer): Promise<{ journal: MergeJournal | null } | null> {
  const bytes = await readSmallFile(files, path)
  return bytes === null ? null : { journal: parseJournal(bytes) }
}

/** What lies at the place of a marker. @returns null when nothing does; `overlayPath` is null when it cannot be read */
export async function readMarker(files: HostFiles, path: Buffer): Promise<{ overlayPath: Buffer | null } | null> {
  const bytes = await readSmallFile(files, path)
  return bytes === null ? null : { overlayPath: parseMarker(bytes) }
}

/** The bytes of a regular file; none when it is too long to be ours; null when there is no file. */
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

/** The error for a journal or marker that is not ours, or damaged. */
export function unreadableJournal(path: Buffer): UmlcowError {
  const shown = printablePath(path)
  return new UmlcowError('JOURNAL_DAMAGED', `${shown}: is not a journal that this release can read`, {
    hint: 'if no merge was ever begun here, move it away',
  })
}
