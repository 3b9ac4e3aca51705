import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { fileError } from '../../machine/stores/file-store.js'
import { timeArgument } from '../../machine/time-argument.js'
import { type TreeFacts, treeFactsOf } from './tree-facts.js'

export type { TreeFacts } from './tree-facts.js'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** What a directory tells of a name in it, without a look at that. */
export interface Child {
  readonly name: Buffer
  readonly isDirectory: boolean
}

/**
 * What is done to the names of a tree. Synchronous: an entry takes a few of these calls of some microseconds each, and
 * promises would make that many times as much. Whoever calls them in a loop rests now and then.
 *
 * No call follows a link in the last place of a path but `setMode`, which is only for what is none.
 */
export interface TreeFiles {
  /** @throws UmlcowError with the system's code, as all of them do */
  lstat(path: HostPath): TreeFacts
  lstatOrNull(path: HostPath): TreeFacts | null
  /** What is in a directory, read a few names at a time. */
  children(directory: HostPath): Iterable<Child>
  makeDirectory(path: HostPath, mode: number): void
  /** Make a file; its owner is set where one is given. Text, as UTF-8, takes less time than bytes. */
  writeNew(path: HostPath, content: string | Uint8Array, mode: number, owner: Owner | null): void
  /** Add to a file, made when it is missing. */
  append(path: HostPath, bytes: Uint8Array): void
  /** The first bytes of a regular file. */
  readStart(path: HostPath, length: number): Buffer
  setMode(path: HostPath, mode: number): void
  setOwner(path: HostPath, owner: Owner): void
  setTimes(path: HostPath, facts: TreeFacts): void
  link(from: HostPath, to: HostPath): void
  rename(from: HostPath, to: HostPath): void
  unlink(path: HostPath): void
  removeDirectory(path: HostPath): void
  syncFile(path: HostPath): void
}

/** Runs a call; its errors get the name of the file. */
export function named<T>(path: HostPath, action: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw fileError(printablePath(path), action, error)
  }
}

function withDescriptor<T>(path: HostPath, flags: number, mode: number, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags, mode)
  try {
    return use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, bytes.length - done)
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants

/** The trees of this machine. */
export const localTreeFiles: TreeFiles = {
  lstat: (path) => named(path, 'look at it', () => treeFactsOf(path, fs.lstatSync(path))),

  lstatOrNull(path) {
    try {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false })
      return stats === undefined ? null : treeFactsOf(path, stats)
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null
      throw fileError(printablePath(path), 'look at it', error)
    }
  },

  *children(directory) {
    // Types of @types/node 20 know no Buffer names here; Node does.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 }
    const handle = named(directory, 'list it', () => fs.opendirSync(directory as string, options))
    try {
      for (;;) {
        const entry = named(directory, 'list it', () => handle.readSync())
        if (entry === null) return
        yield { name: entry.name as unknown as Buffer, isDirectory: entry.isDirectory() }
      }
    } finally {
      handle.closeSync()
    }
  },

  makeDirectory: (path, mode) =>
    named(path, 'create it', () => {
      fs.mkdirSync(path, { mode })
      if (process.umask() & mode) fs.chmodSync(path, mode)
    }),

  writeNew: (path, content, mode, owner) =>
    named(path, 'create it', () => {
      fs.writeFileSync(path, content, { encoding: 'utf8', mode, flag: 'wx' })
      if (owner !== null) fs.lchownSync(path, owner.uid, owner.gid)
      if (process.umask() & mode) fs.chmodSync(path, mode)
    }),

  append: (path, bytes) =>
    named(path, 'write it', () =>
      withDescriptor(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o644, (fd) => writeAll(fd, bytes)),
    ),

  readStart: (path, length) =>
    named(path, 'read it', () =>
      withDescriptor(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, (fd) => {
        const bytes = Buffer.allocUnsafe(length)
        let done = 0
        for (let got = 1; got > 0 && done < length; done += got) got = fs.readSync(fd, bytes, done, length - done, done)
        return bytes.subarray(0, done)
      }),
    ),

  setMode: (path, mode) => named(path, 'set its permissions', () => fs.chmodSync(path, mode)),
  setOwner: (path, { uid, gid }) => named(path, 'set its owner', () => fs.lchownSync(path, uid, gid)),
  setTimes: (path, { atime, mtime }) =>
    named(path, 'set its times', () => fs.lutimesSync(path, timeArgument(atime), timeArgument(mtime))),
  link: (from, to) => named(to, 'create it', () => fs.linkSync(from, to)),
  rename: (from, to) => named(to, 'replace it', () => fs.renameSync(from, to)),
  unlink: (path) => named(path, 'remove it', () => fs.unlinkSync(path)),
  removeDirectory: (path) => named(path, 'remove it', () => fs.rmdirSync(path)),
  syncFile: (path) => named(path, 'sync it', () => withDescriptor(path, O_RDONLY, 0, (fd) => fs.fsyncSync(fd))),
}
