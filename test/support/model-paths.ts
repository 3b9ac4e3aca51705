import { getSystemErrorMap } from 'node:util'
import { printablePath } from '../../src/bytes/escape.js'
import type { HostPath } from '../../src/machine/host-files.js'
import { dotDot, isAbsolutePath, pathBytes, pathComponents } from '../../src/machine/path-bytes.js'
import { fileError } from '../../src/machine/stores/file-store.js'
import { type DirectoryNode, type DiskContent, rootInode } from './model-content.js'

const messages = new Map([...getSystemErrorMap().values()])

/** An error as Node has it from the system: the messages come out the same, and it has no stack, which takes long. */
export function systemError(code: string, call: string): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error(`${code}: ${messages.get(code)}, ${call}`)
  Error.stackTraceLimit = stackTraceLimit
  return Object.assign(error, { code, syscall: call })
}

/** Run it; its system errors get the path and the action in front. */
export function naming<T>(path: HostPath, action: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw fileError(printablePath(path), action, error)
  }
}

/** Where a path leads. */
export interface Place {
  readonly directory: number
  /** Latin-1; empty for the root directory and where `..` led: these have no name that can be given or taken. */
  readonly name: string
  /** null: nothing has that name. */
  readonly inode: number | null
}

function enter(content: DiskContent, inode: number | null, call: string): DirectoryNode {
  if (inode === null) throw systemError('ENOENT', call)
  const directory = content.directories.get(inode)
  if (directory === undefined) throw systemError('ENOTDIR', call)
  return directory
}

export function locate(content: DiskContent, path: HostPath, call: string): Place {
  const bytes = pathBytes(path)
  // A relative path finds nothing, as in a current directory that somebody removed.
  if (!isAbsolutePath(bytes)) throw systemError('ENOENT', call)
  let place: Place = { directory: rootInode, name: '', inode: rootInode }
  for (const component of pathComponents(bytes)) {
    const here = enter(content, place.inode, call)
    const name = component.toString('latin1')
    place = component.equals(dotDot)
      ? { directory: here.parent, name: '', inode: here.parent }
      : { directory: place.inode!, name, inode: here.names.get(name) ?? null }
  }
  return place
}

/** @throws ENOENT when nothing is there */
export function locateExisting(content: DiskContent, path: HostPath, call: string): Place & { readonly inode: number } {
  const place = locate(content, path, call)
  if (place.inode === null) throw systemError('ENOENT', call)
  return { ...place, inode: place.inode }
}

/** The same without a directory at the end. @throws the given code when one is there */
export function locateFile(
  content: DiskContent,
  path: HostPath,
  call: string,
  ifDirectory: string,
): Place & { readonly inode: number } {
  const place = locateExisting(content, path, call)
  if (content.directories.has(place.inode)) throw systemError(ifDirectory, call)
  return place
}

export function pathIn(directory: DirectoryNode, name: string): Buffer {
  return Buffer.from(`${directory.path === '/' ? '' : directory.path}/${name}`, 'latin1')
}
