import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { flag, listOf, object, oneOf, operationRules, type Rules } from '../../../machine/arguments.js'
import { type HostFiles, localHostFiles } from '../../../machine/host-files.js'
import type { OperationOptions } from '../../../machine/operation.js'
import { joinPath } from '../../../machine/path-bytes.js'
import { localNodeMaker, type NodeMaker } from '../../../machine/programs/make-node.js'
import { syncFileSystem } from '../../../machine/programs/sync-tree.js'
import { localTreeFiles, type TreeFacts, type TreeFiles } from '../../host/tree-files.js'
import { removeTree } from '../../remove-tree.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { type HumfsPhase, journalPhase } from './journal.js'
import { type HumfsPaths, humfsPaths } from './paths.js'

/**
 * What `--force` may name: metadata that is there already, files with names outside of data, and names that cannot be
 * given what is their own.
 */
export type HumfsForceWord = 'exists' | 'links' | 'damage'

export interface HumfsOptions extends OperationOptions {
  /** What is done to names; another implementation can record or fail it. */
  readonly treeFiles?: TreeFiles | undefined
  readonly nodes?: NodeMaker | undefined
  /** Skip every sync of the disk. */
  readonly noSync?: boolean | undefined
}

export const humfsRules: Rules = { ...operationRules, treeFiles: object, nodes: object, noSync: flag }

/** Verbs that change a tree, and the findings that they let their caller override. */
export function humfsWriterRules(...words: readonly HumfsForceWord[]): Rules {
  return { ...humfsRules, force: listOf(oneOf(words)), dryRun: flag }
}

/** A directory that is being worked on, and the means. */
export interface Workspace {
  readonly paths: HumfsPaths
  readonly hostFiles: HostFiles
  readonly options: HumfsOptions
  readonly treeFiles: TreeFiles
  readonly nodes: NodeMaker
  /** Of the directory. */
  readonly facts: TreeFacts
}

/** @throws UmlcowError NOT_HUMFS when there is no data/ in the directory */
export function openWorkspace(directory: string, options: HumfsOptions): Workspace {
  const paths = humfsPaths(directory)
  const treeFiles = options.treeFiles ?? localTreeFiles
  const data = treeFiles.lstatOrNull(paths.data)
  if (data?.type !== 'directory') {
    const what = data === null ? 'does not exist' : 'is not a directory'
    throw new UmlcowError('NOT_HUMFS', `${printablePath(paths.data)}: ${what}`, {
      hint: 'humfs keeps the files in a directory "data"; run it in the directory above that',
    })
  }
  return {
    paths,
    treeFiles,
    options,
    nodes: options.nodes ?? localNodeMaker,
    hostFiles: options.files ?? localHostFiles,
    facts: treeFiles.lstat(joinPath(paths.directory, '.')),
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
export function makeWorkDirectory({ treeFiles, paths }: Workspace): void {
  const there = treeFiles.lstatOrNull(paths.work)
  if (there === null) treeFiles.makeDirectory(paths.work, 0o700)
  else if (there.type !== 'directory') {
    throw new UmlcowError('JOURNAL_DAMAGED', `${printablePath(paths.work)}: is a ${there.type}, not a directory`)
  }
}

/** Make the journal, which appears whole. */
export function beginJournal(work: Workspace, start: Buffer): void {
  const { treeFiles, paths, options } = work
  makeWorkDirectory(work)
  const draft = joinPath(paths.work, 'journal')
  // A call that failed may have left a part of one.
  if (treeFiles.lstatOrNull(draft) !== null) treeFiles.unlink(draft)
  treeFiles.append(draft, start)
  if (!options.noSync) treeFiles.syncFile(draft)
  treeFiles.rename(draft, paths.journal)
  if (!options.noSync) treeFiles.syncFile(paths.directory)
}

/** Tell the journal of what comes next. */
export function advanceJournal({ treeFiles, paths, options }: Workspace, phase: HumfsPhase): void {
  treeFiles.append(paths.journal, journalPhase(phase))
  if (!options.noSync) treeFiles.syncFile(paths.journal)
}

/** The end of a run: what is left of the work goes, and the journal last. */
export function endJournal(work: Workspace): void {
  removeTree(work.treeFiles, work.paths.work)
  removeHumfsJournal(work)
}

export function removeHumfsJournal({ treeFiles, paths, options }: Workspace): void {
  if (treeFiles.lstatOrNull(paths.journal) !== null) treeFiles.unlink(paths.journal)
  if (!options.noSync) treeFiles.syncFile(paths.directory)
}

/** See all that was done to a tree so far on the disk. */
export async function syncTree({ treeFiles, paths, options, facts: top }: Workspace, tree: Buffer): Promise<void> {
  if (options.noSync) return
  const isElsewhere = treeFiles.lstat(tree).device !== top.device
  const places = isElsewhere ? [paths.work, tree] : [paths.work]
  let isDone = true
  for (const place of places) isDone = (await syncFileSystem(place.toString(), options.signal)) && isDone
  if (isDone) return
  for (const { path, facts, isLeaving } of walkTree(treeFiles, tree)) {
    if (isLeaving || facts.type === 'file') treeFiles.syncFile(inTree(tree, path))
  }
}
