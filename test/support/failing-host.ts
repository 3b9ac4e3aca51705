import { UmlcowError } from '../../src/errors.js'
import { type FileFacts, type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import type { FileAccess, FileStore } from '../../src/machine/stores/file-store.js'
import { hookedFiles } from './hooked-files.js'

/** How the chosen call fails. */
export type Failure =
  /** It does nothing, and the calls after it work. */
  | 'once'
  /** It does nothing, and no call after it works. */
  | 'forever'
  /** It stores the first sectors of what it was given, and the calls after it work; as `once` if it stores nothing. */
  | 'torn'
  /** It does everything and then says that it failed; as `once` where that is not to be had. */
  | 'afterwards'

export interface FailingHost {
  readonly files: HostFiles
  /** What was called, in order. */
  readonly calls: readonly string[]
  /** Stores that are open now. */
  openStores(): number
}

export interface FailingOptions {
  readonly code?: string
  readonly failure?: Failure
  /** Called before every call but closing. */
  readonly onCall?: ((index: number) => void) | undefined
  /** Seconds that the clock is ahead: a file that is set to "now" differs from one that is written now. */
  readonly ahead?: number
}

/** Bytes that a disk writes whole or not at all. */
const diskSectorSize = 512

const hasAfterwards = ['setMtime', 'link', 'rename', 'unlink', 'truncate', 'setPermissions', 'sync', 'syncDirectory']

/**
 * The local files, of which call number `failAt` fails. Nothing is synced, so that thousands of runs are quick; waiting
 * takes no time; and nobody else has any file open.
 */
export function failingHost(failAt: number, options: FailingOptions = {}): FailingHost {
  const { code = 'EIO', failure = 'once' } = options
  const calls: string[] = []
  let open = 0
  let pending: Failure | null = null
  const failed = (call: string) => new UmlcowError(code, `${call}: made to fail`)
  /** Carry out a call that was chosen to fail in its middle or at its end. */
  const settle = async (call: string, run: () => Promise<void>): Promise<void> => {
    const isChosen = pending === 'afterwards'
    pending = null
    await run()
    if (isChosen) throw failed(call)
  }
  const half = (store: FileStore, offset: number, source: Uint8Array): number => {
    if (pending === null) return store.writeNow(offset, source)
    const isTorn = pending === 'torn'
    pending = null
    const end = Math.floor((offset + source.length / 2) / diskSectorSize) * diskSectorSize
    const length = isTorn ? Math.max(0, end - offset) : source.length
    if (length > 0) store.writeNow(offset, source.subarray(0, length))
    throw failed(`write of ${source.length} bytes at ${offset} in ${store.name}`)
  }
  const clock = quickClock(options.ahead ?? 0)
  /** Descriptors of files that were made now, and of those that were given a time since they were written to. */
  const newFiles = new Set<number>()
  const setTimes = new Set<number>()
  const tracked = (store: FileStore, access: FileAccess): FileStore => {
    let closed = false
    open++
    setTimes.delete(store.fd)
    if (access === 'createNew') newFiles.add(store.fd)
    else newFiles.delete(store.fd)
    return {
      fd: store.fd,
      name: store.name,
      get size() {
        return store.size
      },
      readNow: store.readNow,
      read: store.read,
      writeNow: (offset, source) => half(store, offset, source),
      write: async (offset, source) => half(store, offset, source),
      truncate: (size) => {
        setTimes.delete(store.fd)
        return settle('truncate', () => store.truncate(size))
      },
      sync: () => settle('sync', async () => {}),
      async close() {
        if (!closed) open--
        closed = true
        return store.close()
      },
    }
  }
  const inner: HostFiles = {
    ...localHostFiles,
    open: async (path, access, how) => tracked(await localHostFiles.open(path, access, how), access),
    setPermissions: (store, bits) => settle('setPermissions', () => localHostFiles.setPermissions(store, bits)),
    setMtime: (store, ...time) => {
      setTimes.add(store.fd)
      return settle('setMtime', () => localHostFiles.setMtime(store, ...time))
    },
    statOpen: (store) => {
      const facts = localHostFiles.statOpen(store)
      return newFiles.has(store.fd) && !setTimes.has(store.fd) ? atClock(facts, clock.now()) : facts
    },
    link: (from, to) => settle('link', () => localHostFiles.link(from, to)),
    rename: (from, to) => settle('rename', () => localHostFiles.rename(from, to)),
    unlink: (path) => settle('unlink', () => localHostFiles.unlink(path)),
    syncDirectory: () => settle('syncDirectory', async () => {}),
    users: async (facts) => facts.map(() => ({ users: [], unseen: [] })),
    clock,
  }
  const files = hookedFiles((call) => {
    if (call.startsWith('close ')) return
    const index = calls.push(call) - 1
    options.onCall?.(index)
    if (index < failAt || (index > failAt && failure !== 'forever')) return
    const verb = call.slice(0, call.indexOf(' '))
    if (failure === 'torn' && verb === 'write') pending = 'torn'
    else if (failure === 'afterwards' && (verb === 'write' || hasAfterwards.includes(verb))) pending = 'afterwards'
    else throw failed(call)
  }, inner)
  return { files, calls, openStores: () => open }
}

/** As of a file that was written to at that time of the clock. */
function atClock(facts: FileFacts, milliseconds: number): FileFacts {
  return { ...facts, mtime: Math.floor(milliseconds / 1000), mtimeNs: BigInt(Math.floor(milliseconds)) * 1_000_000n }
}

/** A clock that is told to wait and goes ahead instead. */
export function quickClock(ahead: number): HostFiles['clock'] {
  let offset = ahead * 1000
  return {
    now: () => Date.now() + offset,
    sleep: async (milliseconds) => {
      offset += Math.max(0, milliseconds)
    },
  }
}
