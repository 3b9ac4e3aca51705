import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { directoryName, joinPath } from '../../machine/path-bytes.js'
import type { UnfinishedMerge } from './merge-journal.js'
import {
  isPinned,
  isSameBoot,
  journalPathOf,
  journalSuffix,
  type MergeJournal,
  markerSuffix,
  type PinnedFile,
  readMarker,
} from './merge-journal.js'

// A file with several names has its journal or marker beside one of them. Nobody knows where the other names are. So
// umlcow looks into all journals and markers in the directories at hand. A file with one name costs only a `stat`.

type FindAt = (files: HostFiles, journalPath: Buffer) => Promise<UnfinishedMerge | null>

/**
 * Find the unfinished merge of a file that has several names, by the journals and markers in some directories.
 *
 * @param beside  files in whose directories to look
 * @param findAt  finds the merge of a journal
 * @param partOf  picks the part of the merge that the file must be
 */
export async function findByOtherName(
  files: HostFiles,
  path: HostPath,
  beside: readonly HostPath[],
  findAt: FindAt,
  partOf: (journal: MergeJournal) => PinnedFile,
): Promise<UnfinishedMerge | null> {
  const facts = await factsOrNull(files, path)
  if (facts === null || facts.links < 2 || facts.kind !== 'file') return null
  const isPart = (journal: MergeJournal) => isPinned(partOf(journal), facts, isSameBoot(journal))
  return findInDirectories(files, beside, findAt, isPart)
}

/** Find the first merge that `isPart` accepts, by the journals and markers in the directories of these files. */
export async function findInDirectories(
  files: HostFiles,
  beside: readonly HostPath[],
  findAt: FindAt,
  isPart: (journal: MergeJournal) => boolean,
): Promise<UnfinishedMerge | null> {
  for (const directory of await directoriesOf(files, beside)) {
    for (const journalPath of await journalsIn(files, directory)) {
      const merge = await findOrPass(files, journalPath, findAt)
      if (merge?.journal && isPart(merge.journal)) return merge
    }
  }
  return null
}

/** Say where umlcow looked for a merge by another name of a file. Null for a file with one name. */
export async function lookedAtNote(
  files: HostFiles,
  path: HostPath,
  facts: FileFacts,
  beside: readonly HostPath[],
): Promise<string | null> {
  if (facts.links < 2 || facts.kind !== 'file') return null
  const shown = (await directoriesOf(files, [path, ...beside])).map((directory) => printablePath(directory))
  return `${printablePath(path)}: has ${facts.links} names; umlcow looked for an unfinished merge by another name in ${shown.join(' and ')} only`
}

async function directoriesOf(files: HostFiles, beside: readonly HostPath[]): Promise<Buffer[]> {
  const found = new Map<string, Buffer>()
  for (const path of beside) {
    for (const place of [directoryName(path), ...(await realDirectory(files, path))]) {
      const facts = await factsOrNull(files, place)
      const key = facts === null ? '' : `${facts.device}:${facts.inode}`
      if (facts?.kind === 'directory' && !found.has(key)) found.set(key, place)
    }
  }
  return [...found.values()]
}

async function realDirectory(files: HostFiles, path: HostPath): Promise<Buffer[]> {
  try {
    return [directoryName(await files.realPath(path))]
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return [] // The verb is about to make this overlay.
    throw error
  }
}

async function factsOrNull(files: HostFiles, path: HostPath): Promise<FileFacts | null> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP', 'DEVICE_SIZE')) return null
    throw error
  }
}

/** List the journals in a directory, and those that markers there lead to. */
async function journalsIn(files: HostFiles, directory: Buffer): Promise<Buffer[]> {
  const paths: Buffer[] = []
  try {
    for await (const name of files.names(directory)) {
      // A marker that umlcow cannot follow must not hide those after it.
      const path = await orNull(journalOf(files, directory, name))
      if (path !== null) paths.push(path)
    }
  } catch (error) {
    if (!hasCode(error, ...notForUs)) throw error
  }
  return paths
}

/** Find the journal that has this name, or that the marker of this name leads to. */
async function journalOf(files: HostFiles, directory: Buffer, name: Buffer): Promise<Buffer | null> {
  const path = joinPath(directory, name)
  if (endsWith(name, journalSuffix)) return journalPathOf(files, path.subarray(0, -journalSuffix.length))
  if (!endsWith(name, markerSuffix)) return null
  const overlayPath = (await readMarker(files, path))?.overlayPath ?? null
  return overlayPath === null ? null : journalPathOf(files, overlayPath)
}

/** Codes for a path that leads to nothing umlcow may look at. */
const notForUs = ['EACCES', 'ELOOP', 'ENAMETOOLONG', 'ENOENT', 'ENOTDIR', 'EPERM'] as const

async function orNull<T>(pending: Promise<T>): Promise<T | null> {
  try {
    return await pending
  } catch (error) {
    if (hasCode(error, ...notForUs)) return null
    throw error
  }
}

function endsWith(name: Buffer, suffix: string): boolean {
  return name.length > suffix.length && name.subarray(-suffix.length).equals(Buffer.from(suffix))
}

/** Find the merge of a journal. Skip one that is unreadable or a copy: verbs on its own files report it. */
async function findOrPass(files: HostFiles, path: Buffer, findAt: FindAt): Promise<UnfinishedMerge | null> {
  try {
    return await findAt(files, path)
  } catch (error) {
    if (hasCode(error, 'JOURNAL_DAMAGED', 'JOURNAL_MISMATCH', ...notForUs)) return null
    throw error
  }
}
