import fs from 'node:fs'
import type { HostPath } from '../../machine/host-files.js'
import type { AttributeSetting } from '../../machine/programs/setfattr.js'
import { timeArgument } from '../../machine/time-argument.js'
import { named } from './named.js'
import { createFile, type HeldDirectory, holdDirectory, type NewTreeFile, timeOf } from './new-tree-file.js'
import type { Owner, TreeFacts } from './tree-facts.js'

/**
 * Changes the host's trees. Like those of `TreeReader`, the calls are synchronous, except those that start a program or
 * listen on a socket. Errors are UmlcowError with the system's code.
 *
 * Only `setMode` follows a link in the last place of a path. Do not call it for links.
 */
export interface TreeWriter {
  makeDirectory(path: HostPath, mode: number): void
  /**
   * Makes a file. A null owner is not set. Text is stored as UTF-8, and takes less time than bytes.
   *
   * @param umask  that of this process, from a caller that makes many files: each question for it takes two calls
   */
  writeNew(path: HostPath, content: string | Uint8Array, mode: number, owner: Owner | null, umask?: number): void
  /**
   * Begins a file. Only a directory that no other user can enter may get one with more permissions than 0600: it has
   * them before it is complete.
   *
   * @param mode   less the bits of the umask
   * @throws UmlcowError EEXIST when the name is taken, even by a link
   */
  createFile(path: HostPath, mode: number): NewTreeFile
  /** Adds bytes to a file. Makes the file if it is missing. */
  append(path: HostPath, bytes: Uint8Array): void
  makeLink(target: Buffer, path: HostPath): void
  /** @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
  makeDevice(path: string, type: 'character' | 'block', major: number, minor: number): Promise<void>
  /** @throws UmlcowError HELPER_MISSING, HELPER_FAILED */
  makeFifo(path: string): Promise<void>
  /**
   * Makes a socket, then calls `place`, which moves it to its final name. The move comes first because a listener that
   * closes removes the file with its own name.
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
  /** Sets extended attributes of files below a directory. @param list  a file, as `attributeLines` of setfattr makes it */
  setAttributes(directory: HostPath, list: HostPath, signal: AbortSignal | undefined): Promise<AttributeSetting>
  holdDirectory(path: HostPath): HeldDirectory
  syncFile(path: HostPath): void
  /**
   * Syncs a whole file system: an `fsync` for each of a hundred thousand small files takes minutes.
   *
   * @param directory  text, because it becomes an argument of a program
   * @returns          false when the host cannot do that
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

  writeNew: (path, content, mode, owner, umask = process.umask()) =>
    named(path, 'create it', () => {
      fs.writeFileSync(path, content, { encoding: 'utf8', mode, flag: 'wx' })
      if (owner !== null) fs.lchownSync(path, owner.uid, owner.gid)
      if (umask & mode) fs.chmodSync(path, mode)
    }),

  append: (path, bytes) =>
    named(path, 'write it', () =>
      withDescriptor(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o644, (fd) => writeAll(fd, bytes)),
    ),

  createFile,
  makeLink: (target, path) => named(path, 'create it', () => fs.symlinkSync(target, path)),

  // Most trees need no programs and no sockets, so these modules load on demand.
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
  setAttributes: async (...what) => (await import('../../machine/programs/setfattr.js')).setAttributes(...what),
  holdDirectory,
  syncFileSystem: async (directory, signal) =>
    (await import('../../machine/programs/sync-file-system.js')).syncFileSystem(directory, signal),
}
