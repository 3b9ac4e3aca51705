import { errorCodes, hasCode, UmlcowError } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { targetsOf } from '../header-targets.js'
import { layerOf, lookInto } from '../open.js'
import type { ResolveOptions } from '../resolve-backing.js'
import { findInDirectories } from './find-by-other-name.js'
import { isSameBoot, pinOf, type UnfinishedMerge } from './merge-journal.js'
import { findMergeAt, findMergeInto, findUnfinishedMerge, unfinishedFinding } from './unfinished-merge.js'

// A kept sibling or an undo overlay has neither journal nor marker beside it. Its header leads to the backing file, the
// marker there to the journal, and the journal records the device and inode of the overlay.

/** Codes for a path that leads to nothing umlcow may look at. The verb itself reports that where it matters. */
const unreachable = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP'] as const

interface Resolution extends Pick<ResolveOptions, 'backingRoot'> {
  /** Also look in the directory of this file, when the file in question has several names. */
  readonly beside?: HostPath | undefined
}

/** Find the unfinished merge that a file is a part of: as overlay, backing file, kept sibling or undo overlay. */
export async function findMergeAround(
  files: HostFiles,
  path: HostPath,
  options: Resolution = {},
): Promise<UnfinishedMerge | null> {
  return (await findUnfinishedMerge(files, path, options.beside)) ?? findMergeKeeping(files, path, options)
}

/**
 * Find the unfinished merge whose journal pins an overlay, whether its process still runs or not.
 *
 * Where only the marker is left, nobody knows what the journal pinned. The overlay then counts as pinned.
 */
export async function findMergeKeeping(
  files: HostFiles,
  path: HostPath,
  options: Resolution = {},
): Promise<UnfinishedMerge | null> {
  const opened = await readBackingPath(files, path)
  if (opened === null) return null
  const targets = await targetsOf(files, path, opened.backingPath, options.backingRoot)
  for (const backing of targets) {
    const merge = await findMergeInto(files, backing.path, path)
    if (merge !== null && (merge.journal === null || isPart(merge.journal, opened.facts))) return merge
  }
  // The header may lead into a jail, and another file may have that path here. The journal may still lie beside the
  // overlay.
  return findInDirectories(files, [path], findMergeAt, (journal) => isPart(journal, opened.facts))
}

function isPart(journal: NonNullable<UnfinishedMerge['journal']>, facts: FileFacts): boolean {
  return pinOf(journal, facts, isSameBoot(journal)) !== null
}

/** Read the path in the header; null for a file that is not an overlay, or that umlcow may not read. */
async function readBackingPath(
  files: HostFiles,
  path: HostPath,
): Promise<{ facts: FileFacts; backingPath: Uint8Array } | null> {
  try {
    return await lookInto(files, path, (file) => {
      const { header } = layerOf(file)
      return header === null ? null : { facts: file.facts, backingPath: header.backingPath }
    })
  } catch (error) {
    if (error instanceof UmlcowError && (error.code in errorCodes || hasCode(error, ...unreachable))) return null
    throw error
  }
}

/**
 * Refuse to write to a part of an unfinished merge: its overlay, its backing file, a sibling that it keeps, its undo
 * overlay. The process of the merge may still run or have ended.
 *
 * @throws UmlcowError UNFINISHED_MERGE, JOURNAL_DAMAGED, JOURNAL_MISMATCH
 */
export async function refuseUnfinished(files: HostFiles, path: HostPath, options: Resolution = {}): Promise<void> {
  const merge = await findMergeAround(files, path, options)
  if (merge === null) return
  const { code, message, hint } = unfinishedFinding(merge)
  throw new UmlcowError(code, message, { hint })
}
