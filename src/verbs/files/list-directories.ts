import { nextTurn } from '../../bytes/next-turn.js'
import { sortByBytes } from '../../bytes/sort-by-bytes.js'
import { hasCode, throwIfAborted } from '../../errors.js'
import {
  type ExtEntry,
  type ExtFileSystem,
  joinExtPath,
  listExtEntries,
  walkExtDirectories,
} from '../../filesystems/ext/index.js'
import { type ExtInode, isMinimalAccessList } from '../../formats/ext/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { type Arrangement, arrange } from './arrange.js'
import type { FileFilter } from './file-filter.js'
import { targetOf } from './link-target.js'
import { type LeftOutOptions, lookUpEach } from './look-up-each.js'

/** One name in a listing. */
export interface ListedFile {
  /** As the directory has it or, of a path that the caller gave, that path. Bytes. */
  readonly name: Uint8Array
  readonly inode: ExtInode
  /** The target of a symbolic link; null for all else, without `details`, and when it is encrypted. */
  readonly target: Uint8Array | null
  /** An ACL says more than the mode does. False without `details`. */
  readonly hasAccessList: boolean
}

/** A directory with what it holds. */
export interface ListedDirectory {
  /** The path from the root directory, as far as the caller gave it. Null: the files are paths that the caller gave. */
  readonly path: Uint8Array | null
  readonly files: readonly ListedFile[]
}

/** What `listDirectories` needs of the options of `listFiles`. */
export interface ListOptions extends Arrangement, LeftOutOptions {
  readonly paths?: readonly (string | Uint8Array)[] | undefined
  readonly recursive?: boolean | undefined
  readonly directoriesAsFiles?: boolean | undefined
  readonly details?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** A path that the caller gave. */
export interface ListTop extends ExtEntry {
  /** The directory above. */
  readonly above: ExtInode
}

const [slash, dotDot] = [Buffer.from('/'), Buffer.from('..')]

/** Look up all paths that the caller gave. @param image  for messages */
export async function lookUpTops(
  files: ExtFileSystem,
  image: HostPath,
  { paths = [slash], details, directoriesAsFiles, onLeftOut }: ListOptions,
): Promise<ListTop[]> {
  return lookUpEach(image, paths, { onLeftOut }, async (path) => {
    const name = Buffer.from(path as Uint8Array)
    const inode = await lookUpTop(files, name, details === true || directoriesAsFiles === true)
    const above = inode.type === 'directory' ? await files.lookup(joinExtPath(name, dotDot)) : inode
    return { name, inode, above }
  })
}

/** Follow a path that is a link only where it leads to a directory, and never for details, as ls does. */
async function lookUpTop(files: ExtFileSystem, path: Uint8Array, isLinkItself: boolean): Promise<ExtInode> {
  const inode = await files.lookup(path, { followLast: false })
  if (isLinkItself || inode.type !== 'symlink') return inode
  try {
    const target = await files.lookup(path)
    return target.type === 'directory' ? target : inode
  } catch (error) {
    if (hasCode(error, 'FS_NOT_FOUND')) return inode
    throw error
  }
}

/** List the paths that are no directories, then each directory. With a filter, directories without a match are left out. */
export async function* listDirectories(
  files: ExtFileSystem,
  tops: readonly ListTop[],
  filter: FileFilter | null,
  options: ListOptions,
): AsyncGenerator<ListedDirectory> {
  const named = sortByBytes(tops, ({ name }) => name)
  const sorted = arrange(named, { ...options, hidden: 'all' }) as readonly ListTop[]
  const isListed = ({ inode }: ListTop) => inode.type === 'directory' && !options.directoriesAsFiles
  const plain = sorted.filter((top) => !isListed(top))
  const shown = await describe(files, plain, filter, options)
  if (shown.length > 0) yield { path: null, files: shown }
  for (const top of sorted.filter(isListed)) yield* listBelow(files, top, filter, options)
}

/** Names between two turns of the event loop: reads of a local file give signals no turn. */
const namesPerTurn = 4096

async function* listBelow(
  files: ExtFileSystem,
  top: ListTop,
  filter: FileFilter | null,
  options: ListOptions,
): AsyncGenerator<ListedDirectory> {
  /** The directories above those that the walk has yet to enter. */
  const above = new Map([[top.inode.number, top.above]])
  let count = 0
  for await (const { path, inode, entries } of directoriesBelow(files, top.inode, options)) {
    throwIfAborted(options.signal)
    const parent = above.get(inode.number)!
    above.delete(inode.number)
    for (const { inode: child } of entries) if (child.type === 'directory') above.set(child.number, inode)
    const all = options.hidden === 'all' ? withDots(entries, inode, parent, options) : entries
    const shown = await describe(files, all, filter, options)
    if (filter === null || shown.length > 0) yield { path: joinBelow(top.name, path), files: shown }
    count += 1 + entries.length
    if (count < namesPerTurn) continue
    count = 0
    await nextTurn()
  }
}

async function* directoriesBelow(files: ExtFileSystem, top: ExtInode, options: ListOptions) {
  const choose = (entries: readonly ExtEntry[]) => arrange(entries, options)
  if (options.recursive) yield* walkExtDirectories(files, top, { arrange: choose })
  else yield { path: new Uint8Array(0), inode: top, entries: choose(await listExtEntries(files, top)) }
}

/** Add `.` and `..`, in the order of the others. */
function withDots(
  entries: readonly ExtEntry[],
  inode: ExtInode,
  parent: ExtInode,
  options: ListOptions,
): readonly ExtEntry[] {
  const dots = [
    { name: Buffer.from('.'), inode },
    { name: dotDot, inode: parent },
  ]
  const all = sortByBytes([...dots, ...entries], ({ name }) => name)
  return arrange(all, options)
}

/** Put a path below one that may end with a slash. An empty path adds nothing. */
function joinBelow(top: Uint8Array, path: Uint8Array): Uint8Array {
  if (path.length === 0) return top
  return top[top.length - 1] === slash[0] ? Buffer.concat([top, path]) : joinExtPath(top, path)
}

async function describe(
  files: ExtFileSystem,
  entries: readonly ExtEntry[],
  filter: FileFilter | null,
  { details }: ListOptions,
): Promise<ListedFile[]> {
  const listed: ListedFile[] = []
  for (const entry of entries) {
    if (filter !== null && !filter(entry)) continue
    const { name, inode } = entry
    const target = details && inode.type === 'symlink' ? await targetOf(files, inode) : null
    const hasAccessList = details === true && inode.hasAttributes && (await hasLongAccessList(files, inode))
    listed.push({ name, inode, target, hasAccessList })
  }
  return listed
}

async function hasLongAccessList(files: ExtFileSystem, inode: ExtInode): Promise<boolean> {
  for (const { name, value } of await files.attributes(inode)) {
    const text = Buffer.from(name).toString('latin1')
    if (text === 'system.posix_acl_default') return true
    if (text === 'system.posix_acl_access' && !isMinimalAccessList(value)) return true
  }
  return false
}
