import fs from 'node:fs'
import type { HostPath } from '../../machine/host-files.js'
import { timeArgument } from '../../machine/time-argument.js'
import { named } from './named.js'
import { createFile, type HeldDirectory, holdDirectory, type NewTreeFile, timeOf } from './new-tree-file.js'
import type { Owner, TreeFacts } from './tree-facts.js'

/**
 * How umlcow changes the host's trees. Synchronous, as `TreeReader` is, but for what takes a program or a socket. Errors
 * are UmlcowError with the system's code.
 *
 * No call follows a link in the last place of a path but `setMode`, which is not for links.
 */
export interface TreeWriter {
  makeDirectory(path: HostPath, mode: number): void
  /** Make a file; its owner is set where one is given. Text, as UTF-8, takes less time than bytes. */
  writeNew(path: HostPath, content: string | Uint8Array, mode: number, owner: Owner | null): void
  /** Begin a file that only we may read until it is complete. @throws UmlcowError EEXIST when the name is taken, by a link too */
  createFile(path: HostPath): NewTreeFile
  /** Add to a file, made when it is missing. */
  append(path: HostPath, bytes: Uint8Array): void
  makeLink(target: Buffer, path: HostPath): void
  /** @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
  makeDevice(path: string, type: 'character' | 'block', major: number, minor: number): Promise<void>
  /** @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
  makeFifo(path: string): Promise<void>
  /**
   * Make a socket and have `place` move it to where it shall be: the listener removes what has its name when it closes.
   */
  makeSocket(path: HostPath, place: () => void): Promise<void>
  setMode(path: HostPath, mode: number): void
  setOwner(path: HostPath, owner: Owner): void
  setTimes(path: HostPath, facts: TreeFacts): void
  setMtime(path: HostPath, mtimeNs: bigint): void
  link(from: HostPath, to: HostPath): void
  rename(from: HostPath, to: HostPath): void
  unlink(path: HostPath): void
  removeDirectory(path: HostPath): void
  holdDirectory(path: HostPath): HeldDirectory
  syncFile(path: HostPath): void
  /**
   * Sync everything of a file system: an `fsync` for each of a hundred thousand small files takes minutes.
   *
   * @param directory  text, so that it can be an argument of a program
   * @returns          false where the host cannot do that
   */
  syncFileSystem(directory: string, signal: AbortSignal | undefined): Promise<boolean>
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

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDONLY, O_WRONLY } = fs.constants

/** The trees of this machine. */
export const localTreeWriter: TreeWriter = {
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

  createFile,
  makeLink: (target, path) => named(path, 'create it', () => fs.symlinkSync(target, path)),

  // What starts programs or listens on sockets is loaded when it is wanted: most trees want neither.
  makeDevice: async (...device) => (await import('../../machine/programs/make-node.js')).makeDevice(...device),
  makeFifo: async (path) => (await import('../../machine/programs/make-node.js')).makeFifo(path),
  makeSocket: async (path, place) => (await import('../../machine/programs/make-node.js')).makeSocket(path, place),

  setMode: (path, mode) => named(path, 'set its permissions', () => fs.chmodSync(path, mode)),
  setOwner: (path, { uid, gid }) => named(path, 'set its owner', () => fs.lchownSync(path, uid, gid)),
  setTimes: (path, { atime, mtime }) =>
    named(path, 'set its times', () => fs.lutimesSync(path, timeArgument(atime), timeArgument(mtime))),
  setMtime: (path, mtimeNs) =>
    named(path, 'set its times', () => fs.lutimesSync(path, timeOf(mtimeNs), timeOf(mtimeNs))),
  link: (from, to) => named(to, 'create it', () => fs.linkSync(from, to)),
  rename: (from, to) => named(to, 'replace it', () => fs.renameSync(from, to)),
  unlink: (path) => named(path, 'remove it', () => fs.unlinkSync(path)),
  removeDirectory: (path) => named(path, 'remove it', () => fs.rmdirSync(path)),
  syncFile: (path) => named(path, 'sync it', () => withDescriptor(path, O_RDONLY, 0, (fd) => fs.fsyncSync(fd))),
  holdDirectory,
  syncFileSystem: async (directory, signal) =>
    (await import('../../machine/programs/sync-tree.js')).syncFileSystem(directory, signal),
}
