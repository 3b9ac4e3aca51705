import { printablePath } from '../../src/bytes/escape.js'
import { hasCode } from '../../src/errors.js'
import type { Clock } from '../../src/machine/clock.js'
import type { FileFacts, HostFiles, HostPath } from '../../src/machine/host-files.js'
import { hostUser } from '../../src/machine/host-user.js'
import type { FileUsers } from '../../src/machine/processes/file-users.js'
import {
  type FileAccess,
  type FileStore,
  fileError,
  type OpenFileOptions,
} from '../../src/machine/stores/file-store.js'
import { floorSeconds, toNanoseconds } from './model-clock.js'
import { allocatedBytes, type DiskContent, type InodeState } from './model-content.js'
import { applyNames, createFile, type NameChange, type UnstampedEffect } from './model-effects.js'
import { locate, locateExisting, locateFile, naming, pathIn, systemError } from './model-paths.js'
import { changeInode, modelStore, type OpenFile } from './model-store.js'

/** What the files of a model disk work on. */
export interface ModelHost {
  readonly content: DiskContent
  readonly clock: Clock
  record(call: string, at: number, effects: readonly UnstampedEffect[]): Promise<void>
  freeBytes(): number
  usersOf(facts: FileFacts): FileUsers
}

const directoryState = { size: 4096, mtimeNs: 0n, permissions: 0o755 }

export function ownState(permissions: number, at: number): InodeState {
  const owner = process.geteuid!()
  return { size: 0, mtimeNs: toNanoseconds(at), permissions, owner, group: process.getegid!() }
}

export function factsOf(content: DiskContent, inode: number): FileFacts {
  const file = content.files.get(inode)
  const state = file?.state ?? { ...ownState(0, 0), ...directoryState }
  return {
    kind: file === undefined ? 'directory' : 'file',
    device: 1n,
    inode: BigInt(inode),
    deviceId: 0n,
    // Counted when somebody asks: few do.
    get links() {
      return linksOf(content, inode)
    },
    size: state.size,
    allocatedSize: file === undefined ? state.size : allocatedBytes(file.data),
    mtime: floorSeconds(state.mtimeNs),
    mtimeNs: state.mtimeNs,
    ctime: floorSeconds(state.mtimeNs),
    ctimeNs: state.mtimeNs,
    permissions: state.permissions,
    owner: state.owner,
    group: state.group,
  }
}

function linksOf(content: DiskContent, inode: number): number {
  const names = [...content.directories.values()].flatMap((directory) => [...directory.names.values()])
  return names.filter((one) => one === inode).length
}

/**
 * The host's files on a model disk. It has no symbolic links, directories cannot be opened or renamed, and permissions
 * and owners are kept but keep nobody out.
 */
export function modelFiles(host: ModelHost): HostFiles {
  const { content, clock } = host
  const opened = new Map<number, OpenFile>()
  const locks = new Set<string>()
  let lastDescriptor = 0

  const storeHost = {
    now: () => clock.now(),
    mtimeAt: (at: number) => content.keptTime(toNanoseconds(at)),
    record: host.record,
    openFile(fd: number, call: string): OpenFile {
      const open = opened.get(fd)
      if (open === undefined) throw systemError('EBADF', call)
      return open
    },
    close: (fd: number) => void opened.delete(fd),
  }

  function changeNames(call: string, directory: number, changes: NameChange[]): Promise<void> {
    const effect = { kind: 'names' as const, directory, changes }
    applyNames(content, effect)
    return host.record(call, clock.now(), [effect])
  }

  function changeOpen(store: FileStore, call: string, action: string, change: Partial<InodeState>): Promise<void> {
    return naming(store.name, action, () => {
      const { inode, file } = storeHost.openFile(store.fd, call)
      return host.record(`${call} ${store.name}`, clock.now(), [changeInode(inode, file, change)])
    })
  }

  async function create(path: HostPath, permissions: number): Promise<number> {
    const place = locate(content, path, 'open')
    if (place.inode !== null) throw systemError('EEXIST', 'open')
    const at = clock.now()
    const effect = createFile(content, place.directory, place.name, ownState(permissions & ~process.umask(), at))
    await host.record(`create ${printablePath(path)}`, at, [effect])
    return effect.created.inode
  }

  async function open(path: HostPath, access: FileAccess, options: OpenFileOptions = {}): Promise<FileStore> {
    const name = options.name ?? printablePath(path)
    try {
      const inode =
        access === 'createNew'
          ? await create(path, options.permissions ?? 0o644)
          : locateFile(content, path, 'open', 'EISDIR').inode
      // Negative, so that no call of the system takes it for a real one; distinct, so that a wrapped store is known.
      const fd = --lastDescriptor
      const file = content.files.get(inode)!
      opened.set(fd, { inode, file, writable: access !== 'read' })
      return modelStore(storeHost, fd, name, options.size ?? file.state.size)
    } catch (error) {
      throw fileError(name, access === 'createNew' ? 'create' : 'open', error)
    }
  }

  return {
    stat: async (path) =>
      naming(path, 'look at it', () => factsOf(content, locateExisting(content, path, 'stat').inode)),
    async lstatOrNull(path) {
      try {
        return factsOf(content, locateExisting(content, path, 'lstat').inode)
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null
        throw error
      }
    },
    reflink: async () => false,
    copyByCp: async () => false,
    extents: async () => null,
    statOpen: (store) => factsOf(content, storeHost.openFile(store.fd, 'fstat').inode),
    realPath: async (path) =>
      naming(path, 'resolve it', () => {
        const { directory, name, inode } = locateExisting(content, path, 'realpath')
        const itself = content.directories.get(inode)
        if (itself !== undefined) return Buffer.from(itself.path, 'latin1')
        return pathIn(content.directories.get(directory)!, name)
      }),
    readLink: async (path) =>
      naming(path, 'read the link', () => {
        locateExisting(content, path, 'readlink')
        throw systemError('EINVAL', 'readlink')
      }),
    async *names(path) {
      const listed = naming(path, 'list it', () => {
        const directory = content.directories.get(locateExisting(content, path, 'opendir').inode)
        if (directory === undefined) throw systemError('ENOTDIR', 'opendir')
        return [...directory.names.keys()]
      })
      for (const name of listed) yield Buffer.from(name, 'latin1')
    },
    open,
    setPermissions: async (store, permissions) =>
      changeOpen(store, 'setPermissions', 'set its permissions', { permissions }),
    setOwner: async (store, owner, group) => changeOpen(store, 'setOwner', 'set its owner', { owner, group }),
    setMtime: async (store, seconds, nanoseconds = 0) =>
      changeOpen(store, 'setMtime', 'set its modification time', {
        mtimeNs: content.keptTime(toNanoseconds(seconds * 1000) + BigInt(nanoseconds)),
      }),
    touch: async () => false,
    link: async (from, to) =>
      naming(to, 'create it', () => {
        const { inode } = locateExisting(content, from, 'link')
        const place = locate(content, to, 'link')
        if (place.inode !== null) throw systemError('EEXIST', 'link')
        if (content.directories.has(inode)) throw systemError('EPERM', 'link')
        return changeNames(`link ${printablePath(to)}`, place.directory, [{ name: place.name, inode }])
      }),
    rename: async (from, to) =>
      naming(to, 'replace it', () => {
        const source = locateFile(content, from, 'rename', 'EXDEV')
        const target = locate(content, to, 'rename')
        if (target.inode !== null && content.directories.has(target.inode)) throw systemError('EISDIR', 'rename')
        // Two directories are two records here, and an effect on both would not be atomic.
        if (target.directory !== source.directory) throw systemError('EXDEV', 'rename')
        // POSIX: of two names of one file both stay.
        if (target.inode === source.inode) return
        return changeNames(`rename ${printablePath(to)}`, source.directory, [
          { name: source.name, inode: null },
          { name: target.name, inode: source.inode },
        ])
      }),
    unlink: async (path) =>
      naming(path, 'remove it', () => {
        const { directory, name } = locateFile(content, path, 'unlink', 'EISDIR')
        return changeNames(`unlink ${printablePath(path)}`, directory, [{ name, inode: null }])
      }),
    syncDirectory: async (path) =>
      naming(path, 'sync the directory', () => {
        const { inode } = locateExisting(content, path, 'open')
        if (!content.directories.has(inode)) throw systemError('ENOTDIR', 'open')
        const effect = { kind: 'syncDirectory' as const, directory: inode }
        return host.record(`syncDirectory ${printablePath(path)}`, clock.now(), [effect])
      }),
    freeSpace: async (path) =>
      naming(path, 'look at its file system', () => {
        locateExisting(content, path, 'statfs')
        return host.freeBytes()
      }),
    users: async (facts) => facts.map((one) => host.usersOf(one)),
    async lock(name) {
      if (locks.has(name)) return null
      locks.add(name)
      let held = true
      return {
        release: async () => {
          if (held) locks.delete(name)
          held = false
        },
      }
    },
    user: hostUser,
    clock,
  }
}
