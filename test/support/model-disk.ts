import { printablePath } from '../../src/bytes/escape.js'
import type { Clock } from '../../src/machine/clock.js'
import type { FileFacts, HostFiles, HostPath } from '../../src/machine/host-files.js'
import { directoryName, pathBytes, pathComponents } from '../../src/machine/path-bytes.js'
import type { FileUsers } from '../../src/machine/processes/file-users.js'
import { toNanoseconds } from './model-clock.js'
import {
  copyContent,
  copyPages,
  type DiskContent,
  emptyContent,
  type InodeState,
  type KeptTime,
  rootInode,
  writePages,
} from './model-content.js'
import { createFile, dataEffect, type Effect, type UnstampedEffect } from './model-effects.js'
import { modelFiles, ownState } from './model-files.js'
import { locate, naming, pathIn, systemError } from './model-paths.js'
import { changeInode } from './model-store.js'
import { type DiskViews, diskViews } from './model-views.js'

/** Called after each logged effect. What it does to the disk is logged too, and calls it again. */
export type EffectHook = (effect: Effect, index: number) => void | Promise<void>

export interface PutOptions {
  /** Seconds; default the clock's now. */
  readonly mtime?: number | undefined
  /** Default 0644. */
  readonly permissions?: number | undefined
  readonly owner?: number | undefined
  /** false: name, inode and data are only in the page cache. Default true. */
  readonly synced?: boolean | undefined
}

/** A disk in memory that logs what a program does to it, for `crashStates` to cut the power anywhere. */
export interface ModelDisk extends DiskViews {
  readonly files: HostFiles
  readonly log: readonly Effect[]
  /** What was on the disk when the log began. */
  readonly initial: DiskContent
  /** What `freeSpace` answers; nothing ever runs out. Default Infinity. */
  freeBytes: number
  /** Who has a file open, besides us; default nobody. */
  usersOf: (facts: FileFacts) => FileUsers

  /** A directory and those above it, durable and there from the start. */
  makeDirectory(path: HostPath): void
  /** A new file, at once; directories above it are made. */
  putFile(path: HostPath, bytes: Uint8Array, options?: PutOptions): void
  syncEverything(): void
  /** @returns a function that takes the hook off again */
  onEffect(hook: EffectHook): () => void
  /** Wait for hooks that `writeNow` started and could not wait for. */
  hooksDone(): Promise<void>
}

export interface ModelDiskOptions {
  readonly clock: Clock
  /** Of the mtimes that writes and `setMtime` give; default all are kept as they are. */
  readonly keptTime?: KeptTime | undefined
}

export function createModelDisk({ clock, keptTime }: ModelDiskOptions): ModelDisk {
  return diskOf(emptyContent(keptTime), clock)
}

/** A disk that was just mounted; `content` becomes its own. */
export function diskOf(content: DiskContent, clock: Clock): ModelDisk {
  const initial = copyContent(content)
  const log: Effect[] = []
  const hooks = new Set<EffectHook>()
  const running = new Set<Promise<void>>()

  function record(call: string, at: number, effects: readonly UnstampedEffect[]): Promise<void> {
    const first = log.length
    // All before the first hook: what a hook does must come after the whole call.
    for (const effect of effects) log.push({ ...effect, at, call })
    const started = effects.flatMap((_, i) => [...hooks].map((hook) => hook(log[first + i]!, first + i)))
    const promises = started.filter((one) => one instanceof Promise)
    if (promises.length === 0) return Promise.resolve()
    const all = Promise.all(promises).then(() => {})
    running.add(all)
    return all.finally(() => running.delete(all))
  }

  function makeDirectory(path: HostPath): number {
    return pathComponents(pathBytes(path)).reduce(
      (parent, component) => subdirectory(content, initial, parent, component.toString('latin1')),
      rootInode,
    )
  }

  const disk: ModelDisk = {
    files: modelFiles({
      content,
      clock,
      record,
      freeBytes: () => disk.freeBytes,
      usersOf: (facts) => disk.usersOf(facts),
    }),
    log,
    initial,
    freeBytes: Number.POSITIVE_INFINITY,
    usersOf: () => ({ users: [], unseen: [] }),

    makeDirectory: (path) => void makeDirectory(path),
    putFile(path, bytes, options = {}) {
      makeDirectory(directoryName(path))
      const at = clock.now()
      const effects = naming(path, 'create it', () => put(content, path, bytes, options, at))
      void record(`put ${printablePath(path)}`, at, effects)
    },
    syncEverything() {
      const files = [...content.files.keys()].map((inode) => ({ kind: 'syncFile' as const, inode }))
      const directories = [...content.directories.keys()].map((directory) => ({
        kind: 'syncDirectory' as const,
        directory,
      }))
      void record('syncEverything', clock.now(), [...files, ...directories])
    },
    onEffect(hook) {
      hooks.add(hook)
      return () => void hooks.delete(hook)
    },
    async hooksDone() {
      while (running.size > 0) await Promise.all(running)
    },
    ...diskViews(content),
  }
  return disk
}

/** The directory of that name, made in the live disk and in the one that the log begins with when it is missing. */
function subdirectory(live: DiskContent, initial: DiskContent, parent: number, name: string): number {
  const { names } = live.directories.get(parent)!
  const existing = names.get(name)
  if (existing !== undefined) {
    if (live.directories.has(existing)) return existing
    throw systemError('ENOTDIR', 'mkdir')
  }
  const inode = live.nextInode++
  for (const content of [live, initial]) {
    const above = content.directories.get(parent)!
    above.names.set(name, inode)
    const path = pathIn(above, name).toString('latin1')
    content.directories.set(inode, { parent, path, names: new Map() })
    content.nextInode = Math.max(content.nextInode, inode + 1)
  }
  return inode
}

function put(
  content: DiskContent,
  path: HostPath,
  bytes: Uint8Array,
  options: PutOptions,
  at: number,
): UnstampedEffect[] {
  const place = locate(content, path, 'open')
  if (place.inode !== null) throw systemError('EEXIST', 'open')
  const empty = ownState(options.permissions ?? 0o644, at)
  const created = createFile(content, place.directory, place.name, { ...empty, owner: options.owner ?? empty.owner })
  const { inode } = created.created
  const file = content.files.get(inode)!
  writePages(file.data, 0, bytes)
  const change = changeInode(inode, file, filledState(bytes, options.mtime))
  if (options.synced === false) {
    return bytes.length === 0 ? [created, change] : [created, dataEffect(inode, file, 0, bytes.length), change]
  }
  const { directory, name } = place
  return [{ kind: 'put', directory, name, inode, file: { state: file.state, data: copyPages(file.data) } }]
}

function filledState(bytes: Uint8Array, mtime: number | undefined): Partial<InodeState> {
  return mtime === undefined ? { size: bytes.length } : { size: bytes.length, mtimeNs: toNanoseconds(mtime * 1000) }
}
