import { NumberSet } from '../../../bytes/number-set.js'
import { throwIfAborted } from '../../../errors.js'
import type { ExtInode } from '../../../formats/ext/index.js'
import type { EntryType } from '../../../formats/manifest/index.js'
import type { ExtName } from '../ext-file-system.js'
import { joinExtPath } from '../walk-directories.js'
import type { Side } from './side.js'

/** A name of a file. */
export interface InodeName {
  readonly directory: number
  readonly name: Uint8Array
  /** From the root directory, without a slash at either end. */
  readonly path: Uint8Array
}

/** The way from the root directory to a directory. Directories below it share it. */
interface Way {
  readonly above: Way | null
  readonly name: Uint8Array
}

const rootDirectory = 2
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
  if (wanted.has(rootDirectory)) add(rootDirectory, { directory: rootDirectory, name: rootPath, path: rootPath })
  const seen = new NumberSet()
  seen.add(rootDirectory)
  const waiting: { number: number; way: Way | null }[] = [{ number: rootDirectory, way: null }]
  for (let next = waiting.pop(); next !== undefined && missing > 0; next = waiting.pop()) {
    throwIfAborted(signal)
    const { number: directory, way } = next
    const inode = await side.files.inode(directory)
    if (inode.type !== 'directory') continue
    // Most names are of files that nobody asked for: millions of them.
    const isOfUse = (number: number, type: EntryType | null) =>
      type === 'directory' || type === null || wanted.has(number)
    for await (const names of side.files.entries(inode, isOfUse)) {
      for (const { name, inode: number } of names) {
        if (wanted.has(number)) add(number, { directory, name, path: joinExtPath(pathOf(way), name) })
      }
      for (const { name, inode: number } of await directoriesAmong(side, names)) {
        if (seen.add(number) > 0) waiting.push({ number, way: { above: way, name } })
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

function pathOf(way: Way | null): Uint8Array {
  let path: Uint8Array = rootPath
  for (let at = way; at !== null; at = at.above) path = path.length === 0 ? at.name : joinExtPath(at.name, path)
  return path
}
