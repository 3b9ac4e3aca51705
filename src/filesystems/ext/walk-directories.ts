import { sortByBytes } from '../../bytes/sort-by-bytes.js'
import type { ExtInode } from '../../formats/ext/index.js'
import type { ExtFileSystem, ExtName } from './ext-file-system.js'
import { pathOfWay, WaitingDirectories } from './waiting-directories.js'

/** A name with the inode that it leads to. */
export interface ExtEntry {
  readonly name: Uint8Array
  readonly inode: ExtInode
}

/** A directory and all that it holds. */
export interface ExtDirectory {
  /** From where the walk began, without a slash at either end. Empty for the directory where the walk began. */
  readonly path: Uint8Array
  readonly inode: ExtInode
  /** Sorted by name, byte by byte, unless the caller chose another order. */
  readonly entries: readonly ExtEntry[]
}

export interface ExtWalkOptions {
  /** Choose and sort the entries of a directory. The walk goes into the directories that are left, in their order. */
  readonly arrange?: ((entries: readonly ExtEntry[]) => readonly ExtEntry[]) | undefined
}

const slash = 0x2f

/**
 * Walk a directory and all below it: each directory before those that it holds, in the order of their paths.
 *
 * It reads no links and no content. Memory follows the directories that wait for their turn, and the largest one.
 *
 * @throws UmlcowError FS_DAMAGED when a directory has two names, so that a walk would not end, or a path of more than
 *         65,279 bytes
 */
export async function* walkExtDirectories(
  files: ExtFileSystem,
  top: ExtInode,
  { arrange = (entries) => entries }: ExtWalkOptions = {},
): AsyncGenerator<ExtDirectory> {
  const waiting = new WaitingDirectories(top, new Uint8Array(0))
  for (let next = waiting.next(); next !== undefined; next = waiting.next()) {
    const { directory, way } = next
    const entries = arrange(await listExtEntries(files, directory))
    yield { path: pathOfWay(way), inode: directory, entries }
    waiting.takeAll(
      entries.filter(({ inode }) => inode.type === 'directory'),
      way,
    )
  }
}

/** List a directory with the inodes of its names, sorted by name. */
export async function listExtEntries(files: ExtFileSystem, directory: ExtInode): Promise<ExtEntry[]> {
  const names: ExtName[] = []
  for await (const batch of files.entries(directory)) names.push(...batch)
  const inodes = await files.inodesOf(names.map(({ inode }) => inode))
  return sortByBytes(
    names.map(({ name }, i) => ({ name, inode: inodes[i]! })),
    ({ name }) => name,
  )
}

/** Put a name below a path. Both are bytes; an empty path adds nothing. */
export function joinExtPath(path: Uint8Array, name: Uint8Array): Uint8Array {
  if (path.length === 0) return name
  const joined = new Uint8Array(path.length + 1 + name.length)
  joined.set(path)
  joined[path.length] = slash
  joined.set(name, path.length + 1)
  return joined
}
