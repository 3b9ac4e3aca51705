import { printablePath } from '../../bytes/escape.js'
import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { object, type Rules, text } from '../../machine/arguments.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import { localNodeMaker, type NodeMaker } from '../../machine/programs/make-node.js'
import { syncFileSystem } from '../../machine/programs/sync-tree.js'
import { localTreeFiles, type TreeFacts, type TreeFiles } from '../host/tree-files.js'
import { type HeldDirectory, localTreeMaker, type TreeMaker } from '../host/tree-maker.js'
import { type HumfsOptions, humfsRules } from '../kinds/humfs/workspace.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import { placeNewTree, removeNewTree } from './place-new-tree.js'

export interface NewTreeOptions extends HumfsOptions {
  /** What makes files and links; another implementation can record or fail it. */
  readonly maker?: TreeMaker | undefined
}

export const newTreeRules: Rules = { ...humfsRules, maker: object, name: text }

/** A tree on its way: nobody else comes to it. */
export interface NewTree {
  /** Where it is made. */
  readonly top: Buffer
  /** A free name in a directory of ours, on the same file system. */
  readonly draft: Buffer
  readonly treeFiles: TreeFiles
  readonly maker: TreeMaker
  readonly nodes: NodeMaker
  readonly options: NewTreeOptions
}

// While a tree is made it lies in a directory that only we can enter, beside the place where it shall be:
//   .umlcow-new-NAME/tree    the tree
//   .umlcow-new-NAME/draft   a node, before it gets its name
// Its name is the same for every run, so that the next one finds what a killed one has left.
const workPrefix = '.umlcow-new-'
/** Of the final name; the system takes 255. */
const longestPart = 200
const namesInWork = ['tree', 'draft', 'draft-socket']

/** Where the tree of a directory is made. */
export function newTreeWork(directory: HostPath): Buffer {
  const name = Buffer.concat([Buffer.from(workPrefix), baseName(directory).subarray(0, longestPart)])
  return joinPath(directoryName(directory), name)
}

/**
 * See whether a new tree can get this name.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND
 */
export function guardNewTree(files: TreeFiles, directory: HostPath): void {
  const shown = printablePath(directory)
  const name = baseName(directory).toString('latin1')
  if (name === '' || name === '.' || name === '..' || name === '/') {
    throw new UmlcowError('TARGET_KIND', `${shown}: is no name that a new directory can get`)
  }
  const facts = files.lstatOrNull(joinPath(directoryName(directory), baseName(directory)))
  if (facts === null) return
  if (facts.type !== 'directory') throw new UmlcowError('TARGET_KIND', `${shown}: is there, and is no directory`)
  for (const _ of files.children(directory)) {
    throw new UmlcowError('TARGET_EXISTS', `${shown}: is there, and is not empty`, {
      hint: 'give a name that is free, or an empty directory',
    })
  }
}

/**
 * Make a tree that appears under its name whole or not at all: made beside it, synced, renamed. An empty directory of that
 * name is replaced. Whatever goes wrong, what was made is removed; what a killed run has left is removed first.
 *
 * @param build  makes the tree, `top` included
 * @throws       UmlcowError TARGET_EXISTS, TARGET_KIND, IN_USE, and whatever `build` throws
 */
export async function makeNewTree<T>(
  directory: HostPath,
  options: NewTreeOptions,
  build: (tree: NewTree, warn: (message: string) => void) => Promise<T>,
): Promise<{ readonly result: T; readonly warnings: readonly string[] }> {
  const treeFiles = options.treeFiles ?? localTreeFiles
  const maker = options.maker ?? localTreeMaker
  guardNewTree(treeFiles, directory)
  const work = newTreeWork(directory)
  const warnings: string[] = []
  const held = takeWork(treeFiles, maker, work)
  try {
    const lock = await lockWork(options.files ?? localHostFiles, treeFiles, work, held)
    try {
      if (empty(treeFiles, held)) warnings.push('what an earlier run had left was removed')
      const tree: NewTree = {
        top: joinPath(held.path, 'tree'),
        draft: joinPath(held.path, 'draft'),
        treeFiles,
        maker,
        nodes: options.nodes ?? localNodeMaker,
        options,
      }
      try {
        const result = await build(tree, (message) => warnings.push(message))
        await syncNewTree(tree)
        throwIfAborted(options.signal)
        placeNewTree(tree, directory)
        return { result, warnings }
      } catch (error) {
        throw withPlace(error, held, work)
      } finally {
        empty(treeFiles, held)
        removeWork(treeFiles, work)
        if (!options.noSync) treeFiles.syncFile(directoryName(directory))
      }
    } finally {
      await lock.release()
    }
  } finally {
    held.close()
  }
}

/** Make the directory, or take the one that a killed run has left: only we may have been in it. */
function takeWork(files: TreeFiles, maker: TreeMaker, work: Buffer): HeldDirectory {
  try {
    files.makeDirectory(work, 0o700)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const held = isOurs(files.lstat(work)) ? maker.holdDirectory(work) : null
  // Once more: where others may rename things, they may have put a directory of theirs in its place.
  const facts = held === null ? null : files.lstat(joinPath(held.path, '.'))
  if (held !== null && facts !== null && isOurs(facts) && hasOnlyOurs(files, held)) {
    // A directory above may have given it its group, and the bit that goes on giving it.
    files.setOwner(joinPath(held.path, '.'), { uid: facts.uid, gid: process.getegid?.() ?? facts.gid })
    files.setMode(joinPath(held.path, '.'), 0o700)
    return held
  }
  held?.close()
  throw new UmlcowError('TARGET_EXISTS', `${printablePath(work)}: is there, and was not made by a run of ours`, {
    hint: 'it has the name that a new tree has while it is made: move it away',
  })
}

function isOurs({ type, uid, mode }: TreeFacts): boolean {
  return type === 'directory' && uid === process.geteuid?.() && (mode & 0o077) === 0
}

function hasOnlyOurs(files: TreeFiles, { path }: HeldDirectory): boolean {
  return [...files.children(path)].every(({ name }) => namesInWork.includes(name.toString('latin1')))
}

async function lockWork(hostFiles: HostFiles, files: TreeFiles, work: Buffer, held: HeldDirectory) {
  const { device, inode } = files.lstat(joinPath(held.path, '.'))
  const lock = await hostFiles.lock(`umlcow new tree ${device}:${inode}`)
  // Whoever had it may just have ended, and have removed it.
  if (lock !== null && files.lstatOrNull(work)?.inode === inode) return lock
  await lock?.release()
  throw new UmlcowError('IN_USE', `${printablePath(work)}: another umlcow is at work on it`)
}

/** The same error with the name that the directory has, for the number of a descriptor tells nobody anything. */
function withPlace(error: unknown, { path }: HeldDirectory, work: Buffer): unknown {
  const start = printablePath(path)
  if (!(error instanceof UmlcowError) || !error.message.startsWith(`${start}/`)) return error
  const { code, details, hint, message } = error
  return new UmlcowError(code, `${printablePath(work)}${message.slice(start.length)}`, { details, hint, cause: error })
}

/** @returns whether anything was there */
function empty(files: TreeFiles, held: HeldDirectory): boolean {
  const found = namesInWork.map((name) => joinPath(held.path, name)).filter((path) => files.lstatOrNull(path) !== null)
  for (const path of found) removeNewTree(files, path)
  return found.length > 0
}

function removeWork(files: TreeFiles, work: Buffer): void {
  try {
    files.removeDirectory(work)
  } catch (error) {
    // Somebody has moved it; there is nothing in it.
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error
  }
}

/** All of it is on the disk before it gets its name. */
async function syncNewTree({ top, treeFiles, options }: NewTree): Promise<void> {
  if (options.noSync || (await syncFileSystem(directoryName(top).toString(), options.signal))) return
  for (const { path, facts, isLeaving } of walkTree(treeFiles, top)) {
    if (isLeaving || facts.type === 'file') treeFiles.syncFile(inTree(top, path))
  }
}
