import { UmlcowError } from '../../src/errors.js'
import type { HostFiles } from '../../src/host/host-files.js'
import type { FileStore } from '../../src/stores/file-store.js'

/** A host on which the call number `failAt` fails; calls of files and of open stores count alike, closing does not. */
export interface FaultyFiles {
  readonly files: HostFiles
  /** Calls so far. */
  calls(): number
  /** Stores that are open now. */
  openStores(): number
}

/** Calls that must work for a mess to be cleaned up: a disk that fails once does not fail for ever. */
export function faultyFiles(real: HostFiles, failAt: number, code = 'EIO'): FaultyFiles {
  let calls = 0
  let open = 0
  const tick = (what: string) => {
    if (calls++ === failAt) throw new UmlcowError(code, `${what}: made to fail`)
  }

  function wrapStore(store: FileStore): FileStore {
    let closed = false
    open++
    return {
      fd: store.fd,
      name: store.name,
      get size() {
        return store.size
      },
      readNow(offset, target) {
        tick('readNow')
        return store.readNow(offset, target)
      },
      writeNow(offset, source) {
        tick('writeNow')
        return store.writeNow(offset, source)
      },
      async read(offset, target) {
        tick('read')
        return store.read(offset, target)
      },
      async write(offset, source) {
        tick('write')
        return store.write(offset, source)
      },
      async truncate(size) {
        tick('truncate')
        return store.truncate(size)
      },
      async sync() {
        tick('sync')
        return store.sync()
      },
      async close() {
        if (!closed) open--
        closed = true
        return store.close()
      },
    }
  }

  const files: HostFiles = {
    async stat(path) {
      tick('stat')
      return real.stat(path)
    },
    async lstatOrNull(path) {
      tick('lstat')
      return real.lstatOrNull(path)
    },
    statOpen(store) {
      tick('fstat')
      return real.statOpen(store)
    },
    async realPath(path) {
      tick('realpath')
      return real.realPath(path)
    },
    async readLink(path) {
      tick('readlink')
      return real.readLink(path)
    },
    async *names(directory) {
      tick('readdir')
      yield* real.names(directory)
    },
    async open(path, access, options) {
      tick('open')
      return wrapStore(await real.open(path, access, options))
    },
    async setPermissions(store, permissions) {
      tick('fchmod')
      return real.setPermissions(store, permissions)
    },
    async setOwner(store, owner, group) {
      tick('fchown')
      return real.setOwner(store, owner, group)
    },
    async link(from, to) {
      tick('link')
      return real.link(from, to)
    },
    async rename(from, to) {
      tick('rename')
      return real.rename(from, to)
    },
    async unlink(path) {
      tick('unlink')
      return real.unlink(path)
    },
    async syncDirectory(path) {
      tick('fsync of a directory')
      return real.syncDirectory(path)
    },
  }
  return { files, calls: () => calls, openStores: () => open }
}
