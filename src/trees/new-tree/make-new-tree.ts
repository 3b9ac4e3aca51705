import { printablePath } from '../../bytes/escape.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import { type HostPath, localHostFiles } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import { refuseWithoutLocks } from '../../machine/platform.js'
import { treeHostOf } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import type { NewTree, NewTreeOptions } from './new-tree.js'
import { guardNewNames, type PlacedName, placeNewName, placeNewTree, takeBackNames } from './place-new-tree.js'
import { emptyWork, lockWork, newTreeWork, removeWork, takeWork, withPlaceOfWork } from './work-directory.js'

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
      if (emptyWork(host, held)) warnings.push('removed what an earlier run left')
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
        throw withPlaceOfWork(error, held, work)
      } finally {
        emptyWork(host, held)
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

/** Sync the whole tree before it gets its name. */
async function syncNewTree({ reader, writer, top, options }: NewTree): Promise<void> {
  if (options.noSync || (await writer.syncFileSystem(directoryName(top).toString(), options.signal))) return
  for (const { path, facts, isLeaving } of walkTree(reader, top)) {
    if (isLeaving || facts.type === 'file') writer.syncFile(inTree(top, path))
  }
}
