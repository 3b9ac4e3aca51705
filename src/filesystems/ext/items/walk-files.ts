import { equalBytes } from '../../../bytes/fast.js'
import { sortByBytes } from '../../../bytes/sort-by-bytes.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ExtFileSystem, ExtName } from '../ext-file-system.js'
import { pathOfWay, WaitingDirectories } from '../waiting-directories.js'
import { type ExtEntry, joinExtPath } from '../walk-directories.js'

/** A file of the file system with a path. */
export interface ExtFile {
  readonly path: Uint8Array
  readonly inode: ExtInode
}

/** So many inodes of a directory are in memory at a time: a directory may have millions. */
const batchSize = 1024

/**
 * Walk files and all that lies below them: a directory before what it holds, its files before its directories, sorted
 * by name. It lists no encrypted directory. Arrays, as a promise for each file would take longer than the reads.
 *
 * Memory follows the directories that wait for their turn, and the names of the largest one.
 *
 * @param onRepeated  is called where a directory has a name again; only the first of them comes
 * @throws            UmlcowError FS_DAMAGED when a directory below a top has two names, so that a walk would not
 *                    end, or a path of more than 65,279 bytes
 */
export async function* walkExtFiles(
  files: ExtFileSystem,
  tops: readonly ExtFile[],
  onRepeated: (path: Uint8Array) => void,
): AsyncGenerator<ExtFile[]> {
  for (const top of tops) {
    yield [top]
    if (top.inode.type === 'directory') yield* filesBelow(files, top, onRepeated)
  }
}

async function* filesBelow(
  files: ExtFileSystem,
  top: ExtFile,
  onRepeated: (path: Uint8Array) => void,
): AsyncGenerator<ExtFile[]> {
  const waiting = new WaitingDirectories(top.inode, top.path)
  for (let next = waiting.next(); next !== undefined; next = waiting.next()) {
    const { directory, way } = next
    const path = pathOfWay(way)
    if (directory !== top.inode) yield [{ path, inode: directory }]
    if (hasBit(directory.flags, extInodeFlags.encrypted)) continue
    const names = await sortedNames(files, directory, (name) => onRepeated(joinExtPath(path, name)))
    const directories: ExtEntry[] = []
    for (let i = 0; i < names.length; i += batchSize) {
      yield await filesOf(files, path, names.slice(i, i + batchSize), directories)
    }
    waiting.takeAll(directories, way)
  }
}

/** Find the files of some names. Those that are directories go to a list of their own. */
async function filesOf(
  files: ExtFileSystem,
  above: Uint8Array,
  names: readonly ExtName[],
  directories: ExtEntry[],
): Promise<ExtFile[]> {
  const inodes = await files.inodesOf(names.map(({ inode }) => inode))
  const found: ExtFile[] = []
  for (const [i, inode] of inodes.entries()) {
    const { name } = names[i]!
    if (inode.type === 'directory') directories.push({ name, inode })
    else found.push({ path: joinExtPath(above, name), inode })
  }
  return found
}

async function sortedNames(
  files: ExtFileSystem,
  directory: ExtInode,
  onRepeated: (name: Uint8Array) => void,
): Promise<ExtName[]> {
  const all: ExtName[] = []
  for await (const batch of files.entries(directory)) for (const name of batch) all.push(name)
  const sorted = sortByBytes(all, ({ name }) => name)
  return sorted.filter(({ name }, i) => {
    const isRepeated = i > 0 && equalBytes(name, sorted[i - 1]!.name)
    if (isRepeated) onRepeated(name)
    return !isRepeated
  })
}
