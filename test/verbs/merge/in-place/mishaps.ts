import type { HostFiles } from '../../../../src/machine/host-files.js'
import type { FileStore } from '../../../../src/machine/stores/file-store.js'
import { injected } from '../../../support/hooked-files.js'
import type { Scene } from './scene.js'

/** The host's files, with something going wrong. */
export type Mishap = (files: HostFiles, scene: Scene) => HostFiles

/** The same store but for some of its calls. */
function changed(store: FileStore, change: Partial<FileStore>): FileStore {
  return Object.assign(Object.create(store) as FileStore, change)
}

function withStores(files: HostFiles, change: (store: FileStore) => Partial<FileStore>): HostFiles {
  return {
    ...files,
    async open(path, access, options) {
      const store = await files.open(path, access, options)
      return changed(store, change(store))
    },
  }
}

/** Files that count what is open and locked. */
export function countedFiles(files: HostFiles): { files: HostFiles; open(): number; most(): number } {
  const open = new Set<unknown>()
  let most = 0
  const add = (one: unknown) => {
    open.add(one)
    most = Math.max(most, open.size)
  }
  const counted = withStores(files, (store) => {
    add(store)
    return {
      close() {
        open.delete(store)
        return store.close()
      },
    }
  })
  return {
    open: () => open.size,
    most: () => most,
    files: {
      ...counted,
      async lock(name) {
        const lock = await files.lock(name)
        if (lock === null) return null
        add(lock)
        return {
          release() {
            open.delete(lock)
            return lock.release()
          },
        }
      },
    },
  }
}

/** Files whose every effect fails once the process is dead. What the system does on its behalf still happens. */
export function dyingFiles(files: HostFiles, isDead: () => boolean): HostFiles {
  const orDie = <T>(run: () => T): T => {
    if (isDead()) throw injected('EIO')
    return run()
  }
  const mortal = withStores(files, (store) => ({
    write: async (offset, source) => orDie(() => store.write(offset, source)),
    writeNow: (offset, source) => orDie(() => store.writeNow(offset, source)),
    truncate: async (size) => orDie(() => store.truncate(size)),
    sync: async () => orDie(() => store.sync()),
  }))
  return {
    ...mortal,
    open: async (path, access, options) => orDie(() => mortal.open(path, access, options)),
    setPermissions: async (store, permissions) => orDie(() => files.setPermissions(store, permissions)),
    setOwner: async (store, owner, group) => orDie(() => files.setOwner(store, owner, group)),
    setMtime: async (store, ...time) => orDie(() => files.setMtime(store, ...time)),
    link: async (from, to) => orDie(() => files.link(from, to)),
    rename: async (from, to) => orDie(() => files.rename(from, to)),
    unlink: async (path) => orDie(() => files.unlink(path)),
    syncDirectory: async (path) => orDie(() => files.syncDirectory(path)),
  }
}

/** Leave out the sync number `which`, from 1, of the file of that name. */
export function withoutSync(name: string, which: number): Mishap {
  let seen = 0
  return (files, scene) =>
    withStores(files, (store) => ({
      async sync() {
        if (store.name === name && ++seen === which) strike(scene)
        else await store.sync()
      },
    }))
}

/** Leave out the sync number `which`, from 1, of a directory. */
export function withoutDirectorySync(directory: string, which: number): Mishap {
  let seen = 0
  return (files, scene) => ({
    ...files,
    async syncDirectory(path) {
      if (path.toString() === directory && ++seen === which) strike(scene)
      else await files.syncDirectory(path)
    },
  })
}

function strike(scene: Scene): void {
  scene.struckAt ??= scene.disk.log.length
}

/** What is written to a file from `dataOffset` on, reaches it only with the sync after the next write before that. */
export function bitsBeforeData(name: string, dataOffset: number): Mishap {
  return (files) => {
    let bitsAreWritten = false
    return withStores(files, (store) => {
      if (store.name !== name) return {}
      const late: { offset: number; bytes: Uint8Array }[] = []
      return {
        writeNow(offset, source) {
          if (offset < dataOffset) {
            bitsAreWritten = true
            return store.writeNow(offset, source)
          }
          late.push({ offset, bytes: Uint8Array.from(source) })
          return source.length
        },
        async sync() {
          await store.sync()
          if (!bitsAreWritten) return
          for (const { offset, bytes } of late.splice(0)) store.writeNow(offset, bytes)
          await store.sync()
        },
      }
    })
  }
}

/** What the empty file beside the backing file tells of times is changed; `wasSet`: its time was not given by a write. */
function withTrialFile(change: (mtime: number, wasSet: number | null) => number): Mishap {
  return (files) => {
    const set = new Map<number, number>()
    const trials = new Set<number>()
    const isTrial = (store: FileStore) => trials.has(store.fd)
    return {
      ...files,
      async open(path, access, options) {
        const store = await files.open(path, access, options)
        if (access !== 'createNew' || options?.name !== '/b') return store
        trials.add(store.fd)
        return changed(store, {
          truncate(size) {
            set.delete(store.fd)
            return store.truncate(size)
          },
        })
      },
      async setMtime(store, seconds, nanoseconds) {
        if (isTrial(store)) set.set(store.fd, seconds)
        await files.setMtime(store, seconds, nanoseconds)
      },
      statOpen(store) {
        const facts = files.statOpen(store)
        if (!isTrial(store)) return facts
        return { ...facts, mtime: change(facts.mtime, set.get(store.fd) ?? null) }
      },
    }
  }
}

/** The file system is believed to be ahead of what it is. */
export function withTimesAhead(seconds: number): Mishap {
  return withTrialFile((mtime, wasSet) => (wasSet === null ? mtime + seconds : mtime))
}

/** The file system is believed to keep every time. */
export const withTimesBelieved = withTrialFile((mtime, wasSet) => wasSet ?? mtime)

/** The clock of the program goes ahead of that of the file system. */
export function withClockAhead(milliseconds: number): Mishap {
  return (files) => ({
    ...files,
    clock: { now: () => files.clock.now() + milliseconds, sleep: files.clock.sleep },
  })
}

/** The disk says it has written something and has not. */
export function withLostWrite(name: string): Mishap {
  let lost = false
  return (files) =>
    withStores(files, (store) => ({
      writeNow(offset, source) {
        if (store.name !== name || lost) return store.writeNow(offset, source)
        lost = true
        return source.length
      },
    }))
}

/** One after the other: the second sees only the calls that the first lets through. */
export function both(first: Mishap, second: Mishap): Mishap {
  return (files, scene) => first(second(files, scene), scene)
}
