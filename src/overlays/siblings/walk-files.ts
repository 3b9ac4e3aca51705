import { forEachBounded } from '../../bytes/for-each-bounded.js'
import { hasCode, throwIfAborted } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { directoryName, isAbsolutePath, joinPath } from '../../machine/path-bytes.js'
import { isTemporaryName } from '../../machine/write-new-file.js'

/** Look at this many files at a time: each takes a file descriptor. */
export const filesAtOnce = 8

/** Follow at most this many links from a name to a file: the limit of Linux. */
const maxLinks = 40

export interface WalkLimits {
  /** Entries below the directories of `deep`, in total. */
  readonly entries: number
  /** Levels of directories. */
  readonly depth: number
}

const usualLimits: WalkLimits = { entries: 200_000, depth: 64 }

/** A regular file. A relative path in it may start from the directory of either of its paths. */
export interface FoundFile {
  /** The path by which the walk reached it. */
  readonly path: Buffer
  /** Absolute, links resolved. */
  readonly realPath: Buffer
  readonly facts: FileFacts
}

export interface Walk {
  readonly files: HostFiles
  readonly signal: AbortSignal | undefined
  readonly limits?: WalkLimits | undefined
  /** Called once for each file, whatever its names; up to `filesAtOnce` calls run at a time. */
  readonly onFile: (found: FoundFile) => Promise<void>
  /** Called for each path that umlcow cannot look at. */
  readonly onUnknown: (path: Buffer, reason: string) => void
}

interface State extends Walk {
  readonly limits: WalkLimits
  /** The files and directories seen so far, by device and inode. */
  readonly seen: Set<string>
  entries: number
}

interface Place {
  readonly path: Buffer
  /** Directories above it in this walk; null: do not look below it. */
  readonly depth: number | null
}

/**
 * Look at the files in the directories of `flat`, and at those anywhere below the directories of `deep`.
 *
 * It follows symbolic links, and looks at each file and directory once, whatever leads there.
 *
 * @throws what the host throws for the directories of `deep` themselves
 */
export async function walkFiles(walk: Walk, flat: readonly Buffer[], deep: readonly Buffer[]): Promise<void> {
  const state: State = { ...walk, limits: walk.limits ?? usualLimits, seen: new Set(), entries: 0 }
  for (const path of flat)
    await orUnknown(state, path, async () => void (await walkDirectory(state, { path, depth: null })))
  for (const path of deep) await walkBelow(state, path)
}

/** List the directories where a file has a name: that of the path, and those that links lead through. */
export async function directoriesOf(files: HostFiles, path: HostPath): Promise<Buffer[]> {
  const directories = [directoryName(path)]
  let name: HostPath = path
  for (let links = 0; links < maxLinks && (await files.lstatOrNull(name))?.kind === 'other'; links++) {
    const target: Buffer = await files.readLink(name)
    name = isAbsolutePath(target) ? target : joinPath(directoryName(name), target)
    directories.push(directoryName(name))
  }
  return [...directories, directoryName(await files.realPath(path))]
}

async function walkBelow(state: State, start: Buffer): Promise<void> {
  const pending: Place[] = await walkDirectory(state, { path: start, depth: 0 })
  for (let place = pending.shift(); place !== undefined && !isFull(state); place = pending.shift()) {
    if (place.depth! >= state.limits.depth) {
      state.onUnknown(place.path, `it lies more than ${state.limits.depth} directories deep, and was not looked at`)
      continue
    }
    const { path } = place
    await orUnknown(state, path, async () => void pending.push(...(await walkDirectory(state, place))))
  }
  if (isFull(state)) {
    state.onUnknown(start, `more than ${state.limits.entries} files lie below it, and not all of them were looked at`)
  }
}

/** Report a directory that umlcow cannot list: it may hold siblings. One that is gone holds none. */
async function orUnknown(state: State, path: Buffer, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return
    if (!hasCode(error, 'EACCES', 'EPERM')) throw error
    state.onUnknown(path, 'it cannot be listed')
  }
}

function isFull({ entries, limits }: State): boolean {
  return entries > limits.entries
}

/** Look at the entries of a directory. @returns the directories in it, unless `depth` is null */
async function walkDirectory(state: State, { path, depth }: Place): Promise<Place[]> {
  const { files } = state
  if (!isFirstLook(state, await files.stat(path), depth === null ? 'flat' : 'deep')) return []
  const realPath = await files.realPath(path)
  const below: Place[] = []
  await forEachBounded(namesIn(state, path, depth !== null), filesAtOnce, async (name) => {
    const found = await look(state, path, realPath, name)
    if (found === null) return
    if (found.facts.kind === 'file' && isFirstLook(state, found.facts)) await state.onFile(found)
    else if (depth !== null && found.facts.kind === 'directory') below.push({ path: found.path, depth: depth + 1 })
  })
  return below.sort((a, b) => Buffer.compare(a.path, b.path))
}

async function* namesIn(state: State, directory: Buffer, isBounded: boolean): AsyncGenerator<Buffer> {
  for await (const name of state.files.names(directory)) {
    throwIfAborted(state.signal)
    if (isBounded) state.entries++
    if (isBounded && isFull(state)) return
    // An overlay under a temporary name is for the backing file as it was. Under its final name it will not fit, and
    // nobody has written to it.
    if (!isTemporaryName(name)) yield name
  }
}

/** Look at an entry of a directory, and follow links; null when it leads nowhere, is gone, or is hidden from us. */
async function look(state: State, directory: Buffer, realDirectory: Buffer, name: Buffer): Promise<FoundFile | null> {
  const { files } = state
  const path = joinPath(directory, name)
  try {
    const facts = await files.lstatOrNull(path)
    if (facts === null) return null
    if (facts.kind !== 'other') return { path, realPath: joinPath(realDirectory, name), facts }
    const behind = await files.stat(path)
    return { path, realPath: behind.kind === 'file' ? await files.realPath(path) : path, facts: behind }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'DEVICE_SIZE')) return null
    if (!hasCode(error, 'EACCES', 'EPERM')) throw error
    state.onUnknown(path, 'it cannot be looked at')
    return null
  }
}

function isFirstLook({ seen }: State, facts: FileFacts, how = ''): boolean {
  const key = `${facts.device}:${facts.inode} ${how}`
  if (seen.has(key)) return false
  seen.add(key)
  return true
}
