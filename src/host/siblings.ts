import { hasCode, throwIfAborted, UmlcowError } from '../errors.js'
import { cowMagicOrder, isUndoHeader } from '../formats/cow/index.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from './host-files.js'
import { isTemporaryName } from './new-file.js'
import { type Overlay, openInput, readHeaderBytes, toOverlay } from './open-overlay.js'
import { directoryName, joinPath } from './path-bytes.js'
import { type LocatedFile, resolveBackingPath } from './resolve-backing.js'
import { assertNotTorn } from './rewrite-header.js'

/** An overlay that shares a backing file with another; its store is closed. */
export interface Sibling extends Omit<Overlay, 'store'> {
  /** Absolute, links resolved. */
  readonly path: Buffer
  /**
   * `fresh`: the kernel would open it; `stale`: its header disagrees with the backing file already; `undo`: it was made
   * to take a merge back.
   */
  readonly state: 'fresh' | 'stale' | 'undo'
}

export interface SiblingSearch {
  readonly siblings: readonly Sibling[]
  /** Files that may be siblings and cannot be told, and why. */
  readonly unknown: readonly { readonly path: Buffer; readonly reason: string }[]
}

export interface SiblingSearchOptions {
  /** Directories to look into, with all below them, beside those of the overlay and the backing file. */
  readonly siblingsIn?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

interface Search {
  readonly files: HostFiles
  readonly overlay: FileFacts
  readonly backing: LocatedFile
  readonly signal: AbortSignal | undefined
  readonly siblings: Sibling[]
  readonly unknown: { path: Buffer; reason: string }[]
  /** Files and directories by device and inode, as far as they were looked at. */
  readonly seen: Set<string>
}

/**
 * Find the other overlays on a backing file: beside the overlay, beside the backing file, and in further directories.
 * A file counts by its content, not by its name. Only headers are read.
 */
export async function findSiblings(
  files: HostFiles,
  overlay: { readonly path: HostPath; readonly facts: FileFacts },
  backing: LocatedFile,
  options: SiblingSearchOptions,
): Promise<SiblingSearch> {
  const search: Search = {
    files,
    overlay: overlay.facts,
    backing,
    signal: options.signal,
    siblings: [],
    unknown: [],
    seen: new Set(),
  }
  for (const path of [overlay.path, backing.path]) {
    await searchDirectory(search, directoryName(path), false)
    await searchDirectory(search, directoryName(await files.realPath(path)), false)
  }
  for (const directory of options.siblingsIn ?? []) await searchDirectory(search, Buffer.from(directory), true)
  return search
}

async function searchDirectory(search: Search, directory: Buffer, deep: boolean): Promise<void> {
  const { files } = search
  const facts = await files.stat(directory)
  if (!isFirstLook(search, facts, deep ? 'deep' : 'flat')) return
  for await (const name of files.names(directory)) {
    throwIfAborted(search.signal)
    // Made against the backing file as it was: under its own name it will not fit, and nobody has written to it.
    if (isTemporaryName(name)) continue
    const path = joinPath(directory, name)
    const entry = await look(search, path)
    if (entry?.kind === 'file') await searchFile(search, path, entry)
    else if (deep && entry?.kind === 'directory') await searchBelow(search, path)
  }
}

/** A directory that cannot be listed may hold siblings, too. Links are not followed: they may lead round in a circle. */
async function searchBelow(search: Search, path: Buffer): Promise<void> {
  if ((await search.files.lstatOrNull(path))?.kind !== 'directory') return
  try {
    await searchDirectory(search, path, true)
  } catch (error) {
    if (!hasCode(error, 'EACCES', 'EPERM')) throw error
    search.unknown.push({ path, reason: 'it cannot be listed' })
  }
}

/** What an entry of a directory is, links followed; null when it leads nowhere or is gone. */
async function look(search: Search, path: Buffer): Promise<FileFacts | null> {
  try {
    const facts = await search.files.lstatOrNull(path)
    return facts?.kind === 'other' ? await search.files.stat(path) : facts
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'DEVICE_SIZE')) return null
    throw error
  }
}

function isFirstLook(search: Search, facts: FileFacts, how = ''): boolean {
  const key = `${facts.device}:${facts.inode} ${how}`
  if (search.seen.has(key)) return false
  search.seen.add(key)
  return true
}

async function searchFile(search: Search, path: Buffer, facts: FileFacts): Promise<void> {
  if (isSameFile(facts, search.overlay) || isSameFile(facts, search.backing.facts)) return
  if (!isFirstLook(search, facts)) return
  try {
    const sibling = await readSibling(search, path)
    if (sibling !== null) search.siblings.push(sibling)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    if (!(error instanceof UmlcowError) || error.code === 'INTERRUPTED') throw error
    search.unknown.push({ path, reason: error.message })
  }
}

async function readSibling(search: Search, path: Buffer): Promise<Sibling | null> {
  const input = await openInput(search.files, path)
  try {
    const bytes = await readHeaderBytes(input.store)
    if (cowMagicOrder(bytes) === null) return null
    await assertNotTorn(search.files, path, bytes)
    const { store: _, ...overlay } = toOverlay(input, bytes)
    const { header } = overlay
    const { facts } = search.backing
    const agrees = header.virtualSize === facts.size && header.mtime === facts.mtime
    const leads = await leadsTo(search, path, header.backingPath)
    if (leads === 'elsewhere' || (leads === 'nowhere' && !agrees)) return null
    return {
      ...overlay,
      path: await search.files.realPath(path),
      state: isUndoHeader(header) ? 'undo' : agrees ? 'fresh' : 'stale',
    }
  } finally {
    await input.store.close()
  }
}

async function leadsTo(
  search: Search,
  path: Buffer,
  headerPath: Uint8Array,
): Promise<'here' | 'elsewhere' | 'nowhere'> {
  try {
    const located = await resolveBackingPath(search.files, path, headerPath)
    if (located === null) return 'nowhere'
    return isSameFile(located.facts, search.backing.facts) ? 'here' : 'elsewhere'
  } catch (error) {
    if (hasCode(error, 'EACCES', 'ELOOP', 'DEVICE_SIZE')) return 'nowhere'
    throw error
  }
}
