import { printablePath } from '../../bytes/escape.js'
import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { HostUser } from '../../machine/host-user.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import type { HeldDirectory } from '../host/new-tree-file.js'
import type { TreeFacts } from '../host/tree-facts.js'
import { type TreeHost, treeHostOf } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import type { TreeWriter } from '../host/tree-writer.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import type { NewTree, NewTreeOptions } from './new-tree.js'
import { placeNewTree, removeNewTree } from './place-new-tree.js'

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
export function guardNewTree(reader: TreeReader, directory: HostPath): void {
  const shown = printablePath(directory)
  const name = baseName(directory).toString('latin1')
  if (name === '' || name === '.' || name === '..' || name === '/') {
    throw new UmlcowError('TARGET_KIND', `${shown}: is no name that a new directory can get`)
  }
  const facts = reader.lstatOrNull(joinPath(directoryName(directory), baseName(directory)))
  if (facts === null) return
  if (facts.type !== 'directory') throw new UmlcowError('TARGET_KIND', `${shown}: is there, and is no directory`)
  for (const _ of reader.children(directory)) {
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
  const host = treeHostOf(options)
  guardNewTree(host.reader, directory)
  const work = newTreeWork(directory)
  const warnings: string[] = []
  const held = takeWork(host, work)
  try {
    const lock = await lockWork(options.files ?? localHostFiles, host.reader, work, held)
    try {
      if (empty(host, held)) warnings.push('what an earlier run had left was removed')
      const tree: NewTree = {
        ...host,
        top: joinPath(held.path, 'tree'),
        draft: joinPath(held.path, 'draft'),
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
        empty(host, held)
        removeWork(host.writer, work)
        if (!options.noSync) host.writer.syncFile(directoryName(directory))
      }
    } finally {
      await lock.release()
    }
  } finally {
    held.close()
  }
}

/** Make the directory, or take the one that a killed run has left: only we may have been in it. */
function takeWork({ reader, writer }: TreeHost, work: Buffer): HeldDirectory {
  const user = reader.user()
  try {
    writer.makeDirectory(work, 0o700)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const held = isOurs(reader.lstat(work), user) ? writer.holdDirectory(work) : null
  // Once more: where others may rename things, they may have put a directory of theirs in its place.
  const facts = held === null ? null : reader.lstat(joinPath(held.path, '.'))
  if (held !== null && facts !== null && isOurs(facts, user) && hasOnlyOurs(reader, held)) {
    // A directory above may have given it its group, and the bit that goes on giving it.
    writer.setOwner(joinPath(held.path, '.'), { uid: facts.uid, gid: user.gid })
    writer.setMode(joinPath(held.path, '.'), 0o700)
    return held
  }
  held?.close()
  throw new UmlcowError('TARGET_EXISTS', `${printablePath(work)}: is there, and was not made by a run of ours`, {
    hint: 'it has the name that a new tree has while it is made: move it away',
  })
}

function isOurs({ type, uid, mode }: TreeFacts, user: HostUser): boolean {
  return type === 'directory' && uid === user.uid && (mode & 0o077) === 0
}

function hasOnlyOurs(reader: TreeReader, { path }: HeldDirectory): boolean {
  return [...reader.children(path)].every(({ name }) => namesInWork.includes(name.toString('latin1')))
}

async function lockWork(hostFiles: HostFiles, reader: TreeReader, work: Buffer, held: HeldDirectory) {
  const { device, inode } = reader.lstat(joinPath(held.path, '.'))
  const lock = await hostFiles.lock(`umlcow new tree ${device}:${inode}`)
  // Whoever had it may just have ended, and have removed it.
  if (lock !== null && reader.lstatOrNull(work)?.inode === inode) return lock
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
function empty(host: TreeHost, held: HeldDirectory): boolean {
  const found = namesInWork
    .map((name) => joinPath(held.path, name))
    .filter((path) => host.reader.lstatOrNull(path) !== null)
  for (const path of found) removeNewTree(host, path)
  return found.length > 0
}

function removeWork(writer: TreeWriter, work: Buffer): void {
  try {
    writer.removeDirectory(work)
  } catch (error) {
    // Somebody has moved it; there is nothing in it.
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error
  }
}

/** All of it is on the disk before it gets its name. */
async function syncNewTree({ reader, writer, top, options }: NewTree): Promise<void> {
  if (options.noSync || (await writer.syncFileSystem(directoryName(top).toString(), options.signal))) return
  for (const { path, facts, isLeaving } of walkTree(reader, top)) {
    if (isLeaving || facts.type === 'file') writer.syncFile(inTree(top, path))
  }
}
