import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { type HostFiles, localHostFiles } from '../../../machine/host-files.js'
import { flag, listOf, oneOf, type Rules } from '../../../machine/option-rules.js'
import { joinPath } from '../../../machine/path-bytes.js'
import { shellQuote } from '../../../machine/shell-quote.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import { type TreeHost, treeHostOf } from '../../host/tree-host.js'
import type { TreeReader } from '../../host/tree-reader.js'
import { removeTree } from '../../remove-tree.js'
import { type TreeOptions, treeRules } from '../../tree-options.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { type HumfsPhase, journalPhase } from './journal.js'
import { type HumfsPaths, humfsPaths, superblockName, treeNames } from './paths.js'

/**
 * The words of `--force`. `exists`: existing metadata. `links`: files that also have names outside of data. `damage`:
 * names that cannot get their owner, mode or type.
 */
export type HumfsForceWord = 'exists' | 'links' | 'damage'

/** Make the option rules of a verb that changes a tree. @param words  the findings that its caller may override */
export function humfsWriterRules(...words: readonly HumfsForceWord[]): Rules {
  return { ...treeRules, force: listOf(oneOf(words)), dryRun: flag }
}

/** The directory that an operation works on, with its paths and options. */
export interface Workspace extends TreeHost {
  readonly paths: HumfsPaths
  readonly hostFiles: HostFiles
  readonly options: TreeOptions
  /** Facts of the directory. */
  readonly facts: TreeFacts
}

/** Open a directory for work. @throws UmlcowError NOT_HUMFS when it has no directory data/ */
export function openWorkspace(directory: string, options: TreeOptions): Workspace {
  const paths = humfsPaths(directory)
  const host = treeHostOf(options)
  const { reader } = host
  const data = reader.lstatOrNull(paths.data)
  if (data?.type !== 'directory') throw noData(reader, paths)
  return {
    ...host,
    paths,
    options,
    hostFiles: options.files ?? localHostFiles,
    facts: reader.lstat(joinPath(paths.directory, '.')),
  }
}

function noData(reader: TreeReader, { directory, data }: HumfsPaths): UmlcowError {
  const error = (path: Buffer, hint?: string) => {
    const what = reader.lstatOrNull(path) === null ? 'does not exist' : 'is not a directory'
    return new UmlcowError('NOT_HUMFS', `${printablePath(path)}: ${what}`, { hint })
  }
  if (reader.lstatOrNull(joinPath(directory, '.')) === null) return error(directory)
  // Only a humfs tree has such names beside a directory.
  const above = joinPath(directory, '..')
  const isInside = [superblockName, ...treeNames].every((name) => reader.lstatOrNull(joinPath(above, name)) !== null)
  if (!isInside) return error(data, 'humfs keeps the files in a directory "data"; give the directory above that')
  return error(data, `this is a part of a humfs tree: give the directory above it, ${shellQuote(above)}`)
}

/** Run a function while no other umlcow works on the directory. @throws UmlcowError IN_USE */
export async function whileLocked<T>({ paths, facts, hostFiles }: Workspace, run: () => Promise<T>): Promise<T> {
  const lock = await hostFiles.lock(`umlcow humfs ${facts.device}:${facts.inode}`)
  if (lock === null) {
    throw new UmlcowError('IN_USE', `${printablePath(paths.directory)}: another umlcow is at work on it`)
  }
  try {
    return await run()
  } finally {
    await lock.release()
  }
}

/** Make the work directory, unless it exists. A killed run may have left or removed it. */
export function makeWorkDirectory({ reader, writer, paths }: Workspace): void {
  const there = reader.lstatOrNull(paths.work)
  if (there === null) writer.makeDirectory(paths.work, 0o700)
  else if (there.type !== 'directory') {
    throw new UmlcowError('JOURNAL_DAMAGED', `${printablePath(paths.work)}: is a ${there.type}, not a directory`)
  }
}

/** Make the journal. It appears whole or not at all. */
export function beginJournal(work: Workspace, start: Buffer): void {
  const { reader, writer, paths, options } = work
  makeWorkDirectory(work)
  const draft = joinPath(paths.work, 'journal')
  // A call that failed may have left a part of a journal.
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  writer.append(draft, start)
  if (!options.noSync) writer.syncFile(draft)
  writer.rename(draft, paths.journal)
  if (!options.noSync) writer.syncFile(paths.directory)
}

/** Record the next phase in the journal. */
export function advanceJournal({ writer, paths, options }: Workspace, phase: HumfsPhase): void {
  writer.append(paths.journal, journalPhase(phase))
  if (!options.noSync) writer.syncFile(paths.journal)
}

/** End a run: remove the work directory, then the journal. */
export function endJournal(work: Workspace): void {
  removeTree(work, work.paths.work)
  removeHumfsJournal(work)
}

/** Remove the journal, and sync its directory. */
export function removeHumfsJournal({ reader, writer, paths, options }: Workspace): void {
  if (reader.lstatOrNull(paths.journal) !== null) writer.unlink(paths.journal)
  if (!options.noSync) writer.syncFile(paths.directory)
}

/** Sync all changes of a tree to the disk. */
export async function syncTree({ reader, writer, paths, options, facts: top }: Workspace, tree: Buffer): Promise<void> {
  if (options.noSync) return
  const isElsewhere = reader.lstat(tree).device !== top.device
  const places = isElsewhere ? [paths.work, tree] : [paths.work]
  let isDone = true
  for (const place of places) isDone = (await writer.syncFileSystem(place.toString(), options.signal)) && isDone
  if (isDone) return
  for (const { path, facts, isLeaving } of walkTree(reader, tree)) {
    if (isLeaving || facts.type === 'file') writer.syncFile(inTree(tree, path))
  }
}
