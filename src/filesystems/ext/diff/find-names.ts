import { throwIfAborted } from '../../../errors.js'
import { type ExtInode, extReservedInodes } from '../../../formats/ext/index.js'
import type { EntryType } from '../../../formats/manifest/index.js'
import type { ExtName } from '../ext-file-system.js'
import { pathOfWay, WaitingDirectories } from '../waiting-directories.js'
import { joinExtPath } from '../walk-directories.js'
import type { Side } from './side.js'

/** A name of a file. */
export interface InodeName {
  readonly directory: number
  readonly name: Uint8Array
  /** From the root directory, without a slash at either end. */
  readonly path: Uint8Array
}

const rootPath = new Uint8Array(0)

/**
 * Find all names of inodes, by one walk over the directories. It reads no inodes but those of directories, and stops
 * once every wanted inode has as many names as its link count says.
 *
 * @param wanted  numbers of inodes, each with the number of its names; null: how many is not known
 * @returns       the names by number; no entry for an inode that no name leads to
 */
export async function findNames(
  side: Side,
  wanted: ReadonlyMap<number, number | null>,
  signal?: AbortSignal,
): Promise<Map<number, InodeName[]>> {
  const found = new Map<number, InodeName[]>()
  let missing = wanted.size
  const add = (number: number, name: InodeName) => {
    const names = found.get(number) ?? []
    names.push(name)
    found.set(number, names)
    if (names.length === wanted.get(number)) missing--
  }
  const root = { number: extReservedInodes.root }
  if (wanted.has(root.number)) add(root.number, { directory: root.number, name: rootPath, path: rootPath })
  const waiting = new WaitingDirectories<Pick<ExtInode, 'number'>>(root, rootPath)
  for (let next = waiting.next(); next !== undefined && missing > 0; next = waiting.next()) {
    throwIfAborted(signal)
    const { way } = next
    const directory = next.directory.number
    const inode = await side.files.inode(directory)
    if (inode.type !== 'directory') continue
    // Most names are of files that nobody asked for: millions of them.
    const isOfUse = (number: number, type: EntryType | null) =>
      type === 'directory' || type === null || wanted.has(number)
    for await (const names of side.files.entries(inode, isOfUse)) {
      for (const { name, inode: number } of names) {
        if (wanted.has(number)) add(number, { directory, name, path: joinExtPath(pathOfWay(way), name) })
      }
      for (const { name, inode: number } of await directoriesAmong(side, names)) {
        // Damage may give a directory two names: the first one will do.
        waiting.take({ name, inode: { number } }, way)
      }
    }
  }
  return found
}

/** The names of directories. Old file systems do not say the type beside the name. */
async function directoriesAmong({ files }: Side, names: readonly ExtName[]): Promise<readonly ExtName[]> {
  const unknown = names.filter(({ type }) => type === null)
  if (unknown.length === 0) return names.filter(({ type }) => type === 'directory')
  const inodes = await files.inodesOf(unknown.map(({ inode }) => inode))
  const isDirectory = new Set(inodes.filter(({ type }: ExtInode) => type === 'directory').map(({ number }) => number))
  return names.filter(({ type, inode }) => type === 'directory' || (type === null && isDirectory.has(inode)))
}
