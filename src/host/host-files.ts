import fs from 'node:fs'
import { printablePath } from '../bytes/escape.js'
import { hasCode, isSystemError, UmlcowError } from '../errors.js'
import {
  type FileAccess,
  type FileStore,
  fileError,
  type OpenFileOptions,
  openFileStore,
} from '../stores/file-store.js'

/** A path of the host: text, or bytes where it comes out of a header or a directory. */
export type HostPath = string | Buffer

export type FileKind = 'file' | 'blockDevice' | 'directory' | 'other'

/** What `stat` tells, as far as we use it. */
export interface FileFacts {
  readonly kind: FileKind
  readonly device: bigint
  readonly inode: bigint
  /** Of a block device: which device it is, whatever node it was reached by. */
  readonly deviceId: bigint
  /** Bytes; for a block device the device's own size, 0 from `lstatOrNull`. */
  readonly size: number
  /** Bytes that the host stores. */
  readonly allocatedSize: number
  /** Whole seconds since 1970, rounded down, as the kernel compares them. */
  readonly mtime: number
  /** Nanoseconds since 1970: differs after any write. */
  readonly mtimeNs: bigint
  readonly permissions: number
  readonly owner: number
  readonly group: number
}

/**
 * Everything of the host's file system apart from the bytes in open files. Operations take it as an option, so that a
 * recorder can log every effect and a faulty one can fail any of them.
 */
export interface HostFiles {
  /** Follows links. @throws UmlcowError with the system's code */
  stat(path: HostPath): Promise<FileFacts>
  /** The same without following a link, or null when nothing has that name. */
  lstatOrNull(path: HostPath): Promise<FileFacts | null>
  statOpen(store: FileStore): FileFacts
  realPath(path: HostPath): Promise<Buffer>
  readLink(path: HostPath): Promise<Buffer>
  /** Names in a directory, as bytes. */
  names(directory: HostPath): AsyncIterable<Buffer>
  open(path: HostPath, access: FileAccess, options?: OpenFileOptions): Promise<FileStore>
  setPermissions(store: FileStore, permissions: number): Promise<void>
  setOwner(store: FileStore, owner: number, group: number): Promise<void>
  link(from: HostPath, to: HostPath): Promise<void>
  rename(from: HostPath, to: HostPath): Promise<void>
  unlink(path: HostPath): Promise<void>
  syncDirectory(path: HostPath): Promise<void>
}

function kindOf(stats: fs.BigIntStats): FileKind {
  if (stats.isFile()) return 'file'
  if (stats.isBlockDevice()) return 'blockDevice'
  return stats.isDirectory() ? 'directory' : 'other'
}

/** Device numbers as the kernel prints them. @see gnu_dev_major and gnu_dev_minor, glibc sysmacros: 12 and 20 bits */
export function deviceNumbers(device: bigint): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn)
  return { major: Number(major & 0xffffffffn), minor: Number(minor & 0xffffffffn) }
}

/** Size of a block device, which `stat` does not tell. @see native-free-notes/block-device-size.md */
function blockDeviceSize(rdev: bigint): number {
  const { major, minor } = deviceNumbers(rdev)
  try {
    return Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'latin1').trim()) * 512
  } catch (error) {
    throw new UmlcowError('DEVICE_SIZE', `block device ${major}:${minor}: its size cannot be told`, { cause: error })
  }
}

const nanosecondsPerSecond = 1_000_000_000n

function floorSeconds(nanoseconds: bigint): number {
  const seconds = nanoseconds / nanosecondsPerSecond
  return Number(nanoseconds < 0n && nanoseconds % nanosecondsPerSecond !== 0n ? seconds - 1n : seconds)
}

function factsOf(stats: fs.BigIntStats): FileFacts {
  const facts = factsWithoutDevice(stats)
  return facts.kind === 'blockDevice' ? { ...facts, size: blockDeviceSize(stats.rdev) } : facts
}

function factsWithoutDevice(stats: fs.BigIntStats): FileFacts {
  const kind = kindOf(stats)
  return {
    kind,
    device: stats.dev,
    inode: stats.ino,
    deviceId: stats.rdev,
    size: Number(stats.size),
    allocatedSize: Number(stats.blocks) * 512,
    mtime: floorSeconds(stats.mtimeNs),
    mtimeNs: stats.mtimeNs,
    permissions: Number(stats.mode & 0o7777n),
    owner: Number(stats.uid),
    group: Number(stats.gid),
  }
}

/** What `fstat` tells. */
export function factsOfDescriptor(fd: number): FileFacts {
  return factsOf(fs.fstatSync(fd, { bigint: true }))
}

/** The same file, or the same block device by whatever nodes. */
export function isSameFile(a: FileFacts, b: FileFacts): boolean {
  if (a.kind === 'blockDevice' && b.kind === 'blockDevice') return a.deviceId === b.deviceId
  return a.device === b.device && a.inode === b.inode
}

async function named<T>(path: HostPath, action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw fileError(printablePath(path), action, error)
  }
}

/** The file system of this machine. */
export const localHostFiles: HostFiles = {
  stat: (path) => named(path, 'look at it', async () => factsOf(await fs.promises.stat(path, { bigint: true }))),

  async lstatOrNull(path) {
    try {
      return factsWithoutDevice(await fs.promises.lstat(path, { bigint: true }))
    } catch (error) {
      if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null
      throw fileError(printablePath(path), 'look at it', error)
    }
  },

  statOpen: (store) => factsOfDescriptor(store.fd),

  realPath: (path) => named(path, 'resolve it', () => fs.promises.realpath(path, { encoding: 'buffer' })),

  readLink: (path) => named(path, 'read the link', () => fs.promises.readlink(path, { encoding: 'buffer' })),

  async *names(directory) {
    // Types of @types/node 20 know no Buffer names here; Node does.
    const options = { encoding: 'buffer' as BufferEncoding }
    const handle = await named(directory, 'list it', () => fs.promises.opendir(directory as string, options))
    for await (const entry of handle) yield entry.name as unknown as Buffer
  },

  open: openFileStore,

  setPermissions: (store, permissions) =>
    named(store.name, 'set its permissions', async () => fs.fchmodSync(store.fd, permissions)),

  setOwner: (store, owner, group) =>
    named(store.name, 'set its owner', async () => fs.fchownSync(store.fd, owner, group)),

  link: (from, to) => named(to, 'create it', () => fs.promises.link(from, to)),

  rename: (from, to) => named(to, 'replace it', () => fs.promises.rename(from, to)),

  unlink: (path) => named(path, 'remove it', () => fs.promises.unlink(path)),

  syncDirectory: (path) =>
    named(path, 'sync the directory', async () => {
      let handle: fs.promises.FileHandle
      try {
        handle = await fs.promises.open(path, 'r')
      } catch (error) {
        // Somebody may write to a directory and not read it: then only the system can sync it, in its own time.
        if (hasCode(error, 'EACCES')) return
        throw error
      }
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }),
}
