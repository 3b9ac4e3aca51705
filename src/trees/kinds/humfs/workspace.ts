import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { flag, listOf, oneOf, type Rules } from '../../../machine/arguments.js'
import { type HostFiles, localHostFiles } from '../../../machine/host-files.js'
import { joinPath } from '../../../machine/path-bytes.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import { type TreeHost, treeHostOf } from '../../host/tree-host.js'
import { removeTree } from '../../remove-tree.js'
import { type TreeOptions, treeRules } from '../../tree-options.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { type HumfsPhase, journalPhase } from './journal.js'
import { type HumfsPaths, humfsPaths } from './paths.js'

/**
 * What `--force` may name: existing metadata, files that also have names outside of data, and names that cannot get
 * their owner, mode or type.
 */
export type HumfsForceWord = 'exists' | 'links' | 'damage'

/** Verbs that change a tree, and the findings that they let their caller override. */
export function humfsWriterRules(...words: readonly HumfsForceWord[]): Rules {
  return { ...treeRules, force: listOf(oneOf(words)), dryRun: flag }
}

/** A directory that is being worked on, and the means. */
export interface Workspace extends TreeHost {
  readonly paths: HumfsPaths
  readonly hostFiles: HostFiles
  readonly options: TreeOptions
  /** Of the directory. */
  readonly facts: TreeFacts
}

/** @throws UmlcowError NOT_HUMFS when there is no data/ in the directory */
export function openWorkspace(directory: string, options: TreeOptions): Workspace {
  const paths = humfsPaths(directory)
  const host = treeHostOf(options)
  const { reader } = host
  const data = reader.lstatOrNull(paths.data)
  if (data?.type !== 'directory') {
    const what = data === null ? 'does not exist' : 'is not a directory'
    throw new UmlcowError('NOT_HUMFS', `${printablePath(paths.data)}: ${what}`, {
      hint: 'humfs keeps the files in a directory "data"; run it in the directory above that',
    })
  }
  return {
    ...host,
    paths,
    options,
    hostFiles: options.files ?? localHostFiles,
    facts: reader.lstat(joinPath(paths.directory, '.')),
  }
}

/** Do something while no other umlcow works on the directory. @throws UmlcowError IN_USE */
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

/** Make the place for what is on its way, unless it is there: a killed run may have got as far as removing it. */
export function makeWorkDirectory({ reader, writer, paths }: Workspace): void {
  const there = reader.lstatOrNull(paths.work)
  if (there === null) writer.makeDirectory(paths.work, 0o700)
  else if (there.type !== 'directory') {
    throw new UmlcowError('JOURNAL_DAMAGED', `${printablePath(paths.work)}: is a ${there.type}, not a directory`)
  }
}

/** Make the journal, which appears whole. */
export function beginJournal(work: Workspace, start: Buffer): void {
  const { reader, writer, paths, options } = work
  makeWorkDirectory(work)
  const draft = joinPath(paths.work, 'journal')
  // A call that failed may have left a part of one.
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  writer.append(draft, start)
  if (!options.noSync) writer.syncFile(draft)
  writer.rename(draft, paths.journal)
  if (!options.noSync) writer.syncFile(paths.directory)
}

/** Tell the journal of what comes next. */
export function advanceJournal({ writer, paths, options }: Workspace, phase: HumfsPhase): void {
  writer.append(paths.journal, journalPhase(phase))
  if (!options.noSync) writer.syncFile(paths.journal)
}

/** The end of a run: what is left of the work goes, and the journal last. */
export function endJournal(work: Workspace): void {
  removeTree(work, work.paths.work)
  removeHumfsJournal(work)
}

export function removeHumfsJournal({ reader, writer, paths, options }: Workspace): void {
  if (reader.lstatOrNull(paths.journal) !== null) writer.unlink(paths.journal)
  if (!options.noSync) writer.syncFile(paths.directory)
}

/** See all that was done to a tree so far on the disk. */
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
