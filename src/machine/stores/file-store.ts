import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { isSystemError, UmlcowError } from '../../errors.js'
import { checkRange, type SyncBlockStore } from '../../stores/block-store.js'
import { OpenState } from '../../stores/open-state.js'
import { refuseWritesOnWindows } from '../platform.js'
import { type PastCache, pastCacheOf } from './past-cache.js'

/** An open file of the host. `size` follows writes and truncates of this store, not those of other processes. */
export interface FileStore extends SyncBlockStore {
  /** @throws UmlcowError CLOSED: another file may have that number by then */
  readonly fd: number
}

export type FileAccess =
  /** read only; must exist */
  | 'read'
  /** read and write; must exist */
  | 'readWrite'
  /** read and write; must not exist */
  | 'createNew'

export interface OpenFileOptions {
  /** Bytes, where the caller knows better than `fstat`: block devices. */
  readonly size?: number | undefined
  /** For a new file, before the umask; default 0644. */
  readonly permissions?: number | undefined
  /** For a block device: fail when it is mounted or another process has it open exclusively (O_EXCL). */
  readonly exclusive?: boolean | undefined
  /** Reads go past the page cache; offset, length and memory must be multiples of what the device asks for. */
  readonly direct?: boolean | undefined
  /** The name in messages; default its path. */
  readonly name?: string | undefined
}

// O_NONBLOCK: opening a FIFO must not wait for its writer; on files and block devices it does nothing.
const flagsOf: Record<FileAccess, number> = {
  read: fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0),
  readWrite: fs.constants.O_RDWR | (fs.constants.O_NONBLOCK ?? 0),
  createNew: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
}

function extraFlags({ exclusive, direct }: OpenFileOptions): number {
  return (exclusive ? fs.constants.O_EXCL : 0) | (direct ? (fs.constants.O_DIRECT ?? 0) : 0)
}

const limitHints: Readonly<Record<string, string>> = {
  EMFILE: 'allow the command more open files: ulimit -n 1024',
  ENFILE: 'the system has too many files open; close some programs, or raise fs.file-max',
}

/** Make the error of a failed call, with the file's name in front and the system's own code. */
export function fileError(name: string, action: string, error: unknown): unknown {
  if (!isSystemError(error)) return error
  const end = error.message.indexOf(',')
  const reason = end < 0 ? error.message : error.message.slice(0, end)
  return new UmlcowError(error.code, `${name}: cannot ${action}: ${reason}`, {
    hint: limitHints[error.code],
    cause: error,
  })
}

/**
 * Open a file of the host as a store.
 *
 * @throws UmlcowError with the system's code; PLATFORM for a write on Windows
 */
export async function openFileStore(
  path: string | Buffer,
  access: FileAccess,
  options: OpenFileOptions = {},
): Promise<FileStore & AsyncDisposable> {
  if (access !== 'read') refuseWritesOnWindows()
  const name = options.name ?? printablePath(path)
  let fd: number
  try {
    const flags = flagsOf[access] | extraFlags(options)
    // Synchronous: umlcow opens thousands of files for their headers, and the thread pool is slower.
    fd = fs.openSync(path, flags, options.permissions ?? 0o644)
  } catch (error) {
    throw fileError(name, access === 'createNew' ? 'create' : 'open', error)
  }
  try {
    return fileStore(fd, name, options.size ?? fs.fstatSync(fd).size, access)
  } catch (error) {
    fs.closeSync(fd)
    throw fileError(name, 'open', error)
  }
}

function fileStore(fd: number, name: string, initialSize: number, access: FileAccess): FileStore & AsyncDisposable {
  let size = initialSize
  const state = new OpenState(name)
  let pastCache: PastCache | null = null
  const wrote = (offset: number, count: number): number => {
    if (offset + count > size) size = offset + count
    return count
  }
  // Written bytes may have to go over a network first. A file that was only read closes at once.
  const giveBack = async (): Promise<void> => {
    pastCache?.closeNow()
    if (access === 'read') fs.closeSync(fd)
    else await promised<void>((done) => fs.close(fd, done))
  }

  const store: FileStore & AsyncDisposable = {
    get fd() {
      if (!state.isOpen) throw state.closed()
      return fd
    },
    name,
    get size() {
      return size
    },
    get pastCache() {
      pastCache ??= pastCacheOf(store)
      return pastCache
    },

    readNow(offset, target) {
      if (!state.isOpen) throw state.closed()
      checkRange(name, offset, target.length)
      try {
        return fs.readSync(fd, target, 0, target.length, offset)
      } catch (error) {
        throw fileError(name, `read at offset ${offset}`, error)
      }
    },
    writeNow(offset, source) {
      if (!state.isOpen) throw state.closed()
      checkRange(name, offset, source.length)
      try {
        return wrote(offset, fs.writeSync(fd, source, 0, source.length, offset))
      } catch (error) {
        throw fileError(name, `write at offset ${offset}`, error)
      }
    },
    async read(offset, target) {
      checkRange(name, offset, target.length)
      try {
        return await state.run(() => promised<number>((done) => fs.read(fd, target, 0, target.length, offset, done)))
      } catch (error) {
        throw fileError(name, `read at offset ${offset}`, error)
      }
    },
    async write(offset, source) {
      checkRange(name, offset, source.length)
      try {
        return await state.run(async () =>
          wrote(offset, await promised<number>((done) => fs.write(fd, source, 0, source.length, offset, done))),
        )
      } catch (error) {
        throw fileError(name, `write at offset ${offset}`, error)
      }
    },
    async truncate(newSize) {
      checkRange(name, 0, newSize)
      try {
        await state.run(() => promised<void>((done) => fs.ftruncate(fd, newSize, done)))
        size = newSize
      } catch (error) {
        throw fileError(name, `set the size to ${newSize}`, error)
      }
    },
    async sync() {
      try {
        await state.run(() => promised<void>((done) => fs.fsync(fd, done)))
      } catch (error) {
        throw fileError(name, 'sync', error)
      }
    },
    async close() {
      try {
        await state.close(giveBack)
      } catch (error) {
        throw fileError(name, 'close', error)
      }
    },
    [Symbol.asyncDispose]: () => store.close(),
  }
  return store
}

function promised<T>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)))
  })
}
