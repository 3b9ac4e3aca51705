import { printablePath } from '../../bytes/escape.js'
import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { HostUser } from '../../machine/host-user.js'
import { baseName, directoryName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import { refuseWithoutLocks } from '../../machine/platform.js'
import type { HeldDirectory } from '../host/new-tree-file.js'
import type { TreeFacts } from '../host/tree-facts.js'
import { type TreeHost, treeHostOf } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import type { TreeWriter } from '../host/tree-writer.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import type { NewTree, NewTreeOptions } from './new-tree.js'
import {
  guardNewNames,
  type PlacedName,
  placeNewName,
  placeNewTree,
  removeNewTree,
  takeBackNames,
} from './place-new-tree.js'

// A new tree is built in a work directory that no other user can enter, beside its final place:
//   .umlcow-new-NAME/tree    the tree
//   .umlcow-new-NAME/draft   a node, before it gets its name
//   .umlcow-new-NAME/attributes   extended attributes, for the program that sets them
// The name is the same for every run, so that the next run finds what a killed run left.
const workPrefix = '.umlcow-new-'
/** Bytes of the final name that go into the name of the work directory; the system takes names of 255. */
const longestPart = 200
const namesInWork = ['tree', 'draft', 'draft-socket', 'attributes']

/** Get the path of the work directory for a new tree. */
export function newTreeWork(directory: HostPath): Buffer {
  const name = Buffer.concat([Buffer.from(workPrefix), baseName(directory).subarray(0, longestPart)])
  return joinPath(directoryName(directory), name)
}

/**
 * Check that a new tree can get this name.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND
 */
export function guardNewTree(reader: TreeReader, directory: HostPath): void {
  const shown = printablePath(directory)
  const name = baseName(directory).toString('latin1')
  if (name === '' || name === '.' || name === '..' || name === '/') {
    throw new UmlcowError('TARGET_KIND', `${shown}: cannot be the name of a new directory`)
  }
  const facts = reader.lstatOrNull(joinPath(directoryName(directory), baseName(directory)))
  if (facts === null) return
  if (facts.type !== 'directory') throw new UmlcowError('TARGET_KIND', `${shown}: exists and is not a directory`)
  for (const _ of reader.children(directory)) {
    throw new UmlcowError('TARGET_EXISTS', `${shown}: exists and is not empty`, {
      hint: 'use a new name or an empty directory',
    })
  }
}

/**
 * Make a tree that appears under its name whole or not at all. It builds the tree beside its final place, syncs and
 * renames it. It replaces an empty directory of that name.
 *
 * It first removes what a killed run left. On an error it removes everything that it made.
 *
 * @param build  makes the tree, `top` included
 * @throws       UmlcowError TARGET_EXISTS, TARGET_KIND, PLATFORM, IN_USE, and whatever `build` throws
 */
export async function makeNewTree<T>(
  directory: HostPath,
  options: NewTreeOptions,
  build: BuildTree<T>,
): Promise<MadeInWork<T>> {
  return makeInWork(directory, options, build, {
    guard: (reader) => guardNewTree(reader, directory),
    place: (tree) => placeNewTree(tree, tree.top, directory),
  })
}

/** Makes a tree, its `top` included. */
export type BuildTree<T> = (tree: NewTree, warn: (message: string) => void) => Promise<T>

export interface MadeInWork<T> {
  readonly result: T
  readonly warnings: readonly string[]
}

/**
 * Make new names in a directory that exists. They are built together, in a tree of their own, and then get their places
 * one after another, each whole. When one cannot have its place, the others lose theirs. The names must be free.
 *
 * @returns also the places that were filled: `build` may leave names out
 * @throws  UmlcowError TARGET_EXISTS, and as `makeNewTree`
 */
export async function makeNewNames<T>(
  directory: HostPath,
  names: readonly Buffer[],
  options: NewTreeOptions,
  build: BuildTree<T>,
): Promise<MadeInWork<T> & { readonly placed: readonly Buffer[] }> {
  const placed: PlacedName[] = []
  const places = names.map((name) => joinPath(pathBytes(directory), name))
  const made = await makeInWork(places[0]!, options, build, {
    guard: (reader) => guardNewNames(reader, directory, names),
    place(tree) {
      for (const [i, name] of names.entries()) {
        const own = joinPath(tree.top, name)
        const facts = tree.reader.lstatOrNull(own)
        if (facts === null) continue
        try {
          placeNewName(tree, own, places[i]!)
        } catch (error) {
          takeBackNames(tree, placed)
          throw error
        }
        placed.push({ place: places[i]!, made: own, facts })
      }
    },
  })
  return { ...made, placed: placed.map(({ place }) => place) }
}

interface PlaceOfWork {
  guard(reader: TreeReader): void
  place(tree: NewTree): void
}

async function makeInWork<T>(
  directory: HostPath,
  options: NewTreeOptions,
  build: BuildTree<T>,
  { guard, place }: PlaceOfWork,
): Promise<MadeInWork<T>> {
  const host = treeHostOf(options)
  guard(host.reader)
  // Before the work directory exists: its lock is the first that this takes.
  refuseWithoutLocks()
  const work = newTreeWork(directory)
  const warnings: string[] = []
  const held = takeWork(host, work)
  try {
    const lock = await lockWork(options.files ?? localHostFiles, host.reader, work, held)
    try {
      if (empty(host, held)) warnings.push('removed what an earlier run left')
      const tree: NewTree = {
        ...host,
        top: joinPath(held.path, 'tree'),
        draft: joinPath(held.path, 'draft'),
        attributes: joinPath(held.path, 'attributes'),
        options,
        umask: host.reader.user().umask,
      }
      try {
        const result = await build(tree, (message) => warnings.push(message))
        await syncNewTree(tree)
        throwIfAborted(options.signal)
        place(tree)
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

/** Make the work directory, or take the one that a killed run left. No other user may have been in it. */
function takeWork({ reader, writer }: TreeHost, work: Buffer): HeldDirectory {
  const user = reader.user()
  try {
    writer.makeDirectory(work, 0o700)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const held = isOurs(reader.lstat(work), user) ? writer.holdDirectory(work) : null
  // Check again through the open directory: another user may have put a directory in its place.
  const facts = held === null ? null : reader.lstat(joinPath(held.path, '.'))
  if (held !== null && facts !== null && isOurs(facts, user) && hasOnlyOurs(reader, held)) {
    // A directory above with the setgid bit passes on its group and the bit.
    writer.setOwner(joinPath(held.path, '.'), { uid: facts.uid, gid: user.gid })
    writer.setMode(joinPath(held.path, '.'), 0o700)
    return held
  }
  held?.close()
  throw new UmlcowError('TARGET_EXISTS', `${printablePath(work)}: exists, but is not a work directory of this user`, {
    hint: 'umlcow needs this name for its work: move the file or directory away',
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
  // The run that had the lock may just have ended and removed the directory.
  if (lock !== null && reader.lstatOrNull(work)?.inode === inode) return lock
  await lock?.release()
  throw new UmlcowError('IN_USE', `${printablePath(work)}: another umlcow is at work on it`)
}

/** Put the name of the work directory into an error: users cannot know the number of a descriptor. */
function withPlace(error: unknown, { path }: HeldDirectory, work: Buffer): unknown {
  const start = printablePath(path)
  if (!(error instanceof UmlcowError) || !error.message.startsWith(`${start}/`)) return error
  const { code, details, hint, message } = error
  return new UmlcowError(code, `${printablePath(work)}${message.slice(start.length)}`, { details, hint, cause: error })
}

/** Empty the work directory. @returns whether it held anything */
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
    // Another process moved or filled it. Nothing in it is umlcow's.
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error
  }
}

/** Sync the whole tree before it gets its name. */
async function syncNewTree({ reader, writer, top, options }: NewTree): Promise<void> {
  if (options.noSync || (await writer.syncFileSystem(directoryName(top).toString(), options.signal))) return
  for (const { path, facts, isLeaving } of walkTree(reader, top)) {
    if (isLeaving || facts.type === 'file') writer.syncFile(inTree(top, path))
  }
}
