import { UmlcowError } from '../../src/errors.js'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import type { FileStore } from '../../src/machine/stores/file-store.js'

/** Called before each effect on the host, with its name and operands; what it throws the effect fails with. */
export type Hook = (call: string) => void

/** The local files, with a hook before every call, those on open files included. */
export function hookedFiles(hook: Hook, files: HostFiles = localHostFiles): HostFiles {
  return {
    async stat(path) {
      hook(`stat ${path}`)
      return files.stat(path)
    },
    async lstatOrNull(path) {
      hook(`lstat ${path}`)
      return files.lstatOrNull(path)
    },
    statOpen(store) {
      hook(`fstat ${store.name}`)
      return files.statOpen(store)
    },
    async realPath(path) {
      hook(`realPath ${path}`)
      return files.realPath(path)
    },
    async readLink(path) {
      hook(`readLink ${path}`)
      return files.readLink(path)
    },
    async *names(directory) {
      hook(`names ${directory}`)
      yield* files.names(directory)
    },
    async open(path, access, options) {
      hook(`open ${access} ${path}`)
      return hookedStore(await files.open(path, access, options), hook)
    },
    async setPermissions(store, permissions) {
      hook(`setPermissions ${permissions.toString(8)}`)
      return files.setPermissions(store, permissions)
    },
    async setOwner(store, owner, group) {
      hook(`setOwner ${owner} ${group}`)
      return files.setOwner(store, owner, group)
    },
    async setMtime(store, seconds, nanoseconds) {
      hook(`setMtime ${store.name} ${seconds}`)
      return files.setMtime(store, seconds, nanoseconds)
    },
    async touch(store, mtimeNs) {
      hook(`touch ${store.name} ${mtimeNs}`)
      return files.touch(store, mtimeNs)
    },
    async reflink(from, to) {
      hook(`reflink ${to.name}`)
      return files.reflink(from, to)
    },
    async copyByCp(from, to, options) {
      hook(`copyByCp ${to.name}`)
      return files.copyByCp(from, to, options)
    },
    async extents(file, signal, gap) {
      hook(`extents ${file.name}`)
      return files.extents(file, signal, gap)
    },
    async link(from, to) {
      hook(`link ${to}`)
      return files.link(from, to)
    },
    async rename(from, to) {
      hook(`rename ${to}`)
      return files.rename(from, to)
    },
    async unlink(path) {
      hook(`unlink ${path}`)
      return files.unlink(path)
    },
    async syncDirectory(path) {
      hook(`syncDirectory ${path}`)
      return files.syncDirectory(path)
    },
    async freeSpace(path) {
      hook(`freeSpace ${path}`)
      return files.freeSpace(path)
    },
    users: (facts) => files.users(facts),
    async lock(name) {
      hook(`lock ${name}`)
      return files.lock(name)
    },
    user: () => files.user(),
    clock: files.clock,
  }
}

export function hookedStore(store: FileStore, hook: Hook): FileStore {
  return {
    fd: store.fd,
    name: store.name,
    get size() {
      return store.size
    },
    readNow(offset, target) {
      hook(`read ${store.name}`)
      return store.readNow(offset, target)
    },
    writeNow(offset, source) {
      hook(`write ${store.name}`)
      return store.writeNow(offset, source)
    },
    async read(offset, target) {
      hook(`read ${store.name}`)
      return store.read(offset, target)
    },
    async write(offset, source) {
      hook(`write ${store.name}`)
      return store.write(offset, source)
    },
    async truncate(size) {
      hook(`truncate ${store.name}`)
      return store.truncate(size)
    },
    async sync() {
      hook(`sync ${store.name}`)
      return store.sync()
    },
    async close() {
      // As the system has it: the descriptor is gone, whatever close says.
      await store.close()
      hook(`close ${store.name}`)
    },
  }
}

/** What a call fails with that is made to fail. */
export function injected(code: string): UmlcowError {
  return new UmlcowError(code, `injected: ${code}`)
}

/** A hook that lets `count` calls pass and fails the next: all after it too when the machine is to be gone then. */
export function failAt(
  count: number,
  after: 'recovers' | 'gone',
  code = 'EIO',
): { hook: Hook; failed: () => string | null } {
  let calls = 0
  let failed: string | null = null
  const hook: Hook = (call) => {
    const number = calls++
    if (number < count || (number > count && after === 'recovers')) return
    failed ??= call
    throw injected(code)
  }
  return { hook, failed: () => failed }
}
