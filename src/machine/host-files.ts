import fs from 'node:fs'
import { printablePath } from '../bytes/escape.js'
import { hasCode, isSystemError } from '../errors.js'
import { type Clock, systemClock } from './clock.js'
import { type FileFacts, factsOf, factsOfDescriptor, factsWithoutDevice } from './file-facts.js'
import { type HostUser, hostUser } from './host-user.js'
import { type FileUsers, findUsers } from './processes/file-users.js'
import type { HostLock } from './processes/process-lock.js'
import type { CopyByCpOptions } from './programs/copy-helpers.js'
import type { DataStretches } from './programs/filefrag-output.js'
import { type FileAccess, type FileStore, fileError, type OpenFileOptions, openFileStore } from './stores/file-store.js'
import { timeArgument } from './time-argument.js'

export {
  changeBetween,
  deviceNumbers,
  type FileFacts,
  type FileKind,
  factsOfDescriptor,
  isSameFile,
  mtimeNanoseconds,
} from './file-facts.js'

/** A path of the host: text, or bytes when it comes from a header or a directory. */
export type HostPath = string | Buffer

/**
 * Everything on the host's file system except the bytes in open files. Operations take it as an option, so that another
 * implementation can record every effect, or make any of them fail.
 */
export interface HostFiles {
  /** Follows links. @throws UmlcowError with the system's code */
  stat(path: HostPath): Promise<FileFacts>
  /** Like `stat`, but follows no link; null when nothing has that name. */
  lstatOrNull(path: HostPath): Promise<FileFacts | null>
  statOpen(store: FileStore): FileFacts
  realPath(path: HostPath): Promise<Buffer>
  readLink(path: HostPath): Promise<Buffer>
  /** Names in a directory, as bytes. */
  names(directory: HostPath): AsyncIterable<Buffer>
  open(path: HostPath, access: FileAccess, options?: OpenFileOptions): Promise<FileStore>
  setPermissions(store: FileStore, permissions: number): Promise<void>
  setOwner(store: FileStore, owner: number, group: number): Promise<void>
  /**
   * Set the modification time, to the microsecond. The host may store another time: read it back with `statOpen`.
   *
   * @param nanoseconds  default 0
   */
  setMtime(store: FileStore, seconds: number, nanoseconds?: number): Promise<void>
  /** Let the host's touch set the modification time, to the nanosecond; false where that does not work. */
  touch(store: FileStore, mtimeNs: bigint): Promise<boolean>
  link(from: HostPath, to: HostPath): Promise<void>
  rename(from: HostPath, to: HostPath): Promise<void>
  unlink(path: HostPath): Promise<void>
  syncDirectory(path: HostPath): Promise<void>
  /** Make an empty file share another's storage and take its permissions; false where that does not work. */
  reflink(from: FileStore, to: FileStore): Promise<boolean>
  /** Let the host's cp copy a file with its holes into an empty one; false where that does not work. */
  copyByCp(from: FileStore, to: FileStore, options: CopyByCpOptions): Promise<boolean>
  /**
   * List the stretches that may store data, by the host's filefrag; null where that does not work.
   *
   * @param gap  join stretches with a gap of up to this many bytes between them; default 64 KiB
   */
  extents(file: FileStore, signal: AbortSignal | undefined, gap?: number): Promise<DataStretches | null>
  /** Count the bytes that this process may still store on the file system of a path. */
  freeSpace(path: HostPath): Promise<number>
  /** Find who else has each of these files open. */
  users(facts: readonly FileFacts[]): Promise<FileUsers[]>
  /** Take a lock that ends with this process; null when another process has it. */
  lock(name: string): Promise<HostLock | null>
  /** Find out whose rights this process has. */
  user(): HostUser
  readonly clock: Clock
}

async function named<T>(path: HostPath, action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw fileError(printablePath(path), action, error)
  }
}

/** The file system of this machine. */
export const localHostFiles: HostFiles & { readonly open: typeof openFileStore } = {
  stat: (path) => named(path, 'look at it', async () => factsOf(await fs.promises.stat(path, { bigint: true }))),

  async lstatOrNull(path) {
    try {
      // Synchronous, because umlcow asks this of thousands of files.
      return factsWithoutDevice(fs.lstatSync(path, { bigint: true }))
    } catch (error) {
      if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null
      throw fileError(printablePath(path), 'look at it', error)
    }
  },

  statOpen: (store) => factsOfDescriptor(store.fd),

  realPath: (path) => named(path, 'resolve it', () => fs.promises.realpath(path, { encoding: 'buffer' })),

  readLink: (path) => named(path, 'read the link', () => fs.promises.readlink(path, { encoding: 'buffer' })),

  async *names(directory) {
    // @types/node 20 has no type for Buffer names here; Node supports them.
    const options = { encoding: 'buffer' as BufferEncoding }
    const handle = await named(directory, 'list it', () => fs.promises.opendir(directory as string, options))
    for await (const entry of handle) yield entry.name as unknown as Buffer
  },

  open: openFileStore,

  setPermissions: (store, permissions) =>
    named(store.name, 'set its permissions', async () => fs.fchmodSync(store.fd, permissions)),

  setOwner: (store, owner, group) =>
    named(store.name, 'set its owner', async () => fs.fchownSync(store.fd, owner, group)),

  setMtime: (store, seconds, nanoseconds = 0) =>
    named(store.name, 'set its modification time', async () => {
      const mtime = timeArgument(seconds + Math.floor(nanoseconds / 1000) / 1e6)
      // The call sets both times; the atime keeps its whole second.
      fs.futimesSync(store.fd, Number(fs.fstatSync(store.fd).atimeMs) / 1000, mtime)
    }),

  link: (from, to) => named(to, 'create it', () => fs.promises.link(from, to)),

  rename: (from, to) => named(to, 'replace it', () => fs.promises.rename(from, to)),

  unlink: (path) => named(path, 'remove it', () => fs.promises.unlink(path)),

  syncDirectory: (path) =>
    named(path, 'sync the directory', async () => {
      let handle: fs.promises.FileHandle
      try {
        handle = await fs.promises.open(path, 'r')
      } catch (error) {
        // A user may have a directory that they can write but not read. Only the system can sync it then, in its own
        // time.
        if (hasCode(error, 'EACCES')) return
        throw error
      }
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }),

  // Load the code that starts programs or listens on sockets on first use: most commands need neither.
  reflink: async (from, to) => (await import('./programs/copy-helpers.js')).reflinkFile(from, to),

  copyByCp: async (from, to, options) => (await import('./programs/copy-helpers.js')).copyByCp(from, to, options),

  extents: async (...file) => (await import('./programs/copy-helpers.js')).listExtents(...file),

  touch: async (store, mtimeNs) => (await import('./programs/touch.js')).touchFile(store, mtimeNs),

  freeSpace: (path) =>
    named(path, 'look at its file system', async () => {
      const { bavail, bsize } = await fs.promises.statfs(path)
      return bavail * bsize
    }),

  users: (facts) => named('/proc', 'look who has files open', () => findUsers(facts)),

  lock: (name) =>
    named(name, 'take this lock', async () => (await import('./processes/process-lock.js')).takeLock(name)),

  user: hostUser,

  clock: systemClock,
}
