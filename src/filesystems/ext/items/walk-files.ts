import { latin1Text } from '../../../bytes/fast.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ExtFileSystem, ExtName } from '../ext-file-system.js'
import { damagedExt } from '../findings.js'
import { joinExtPath } from '../walk-directories.js'

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
 * @throws            UmlcowError FS_DAMAGED when a directory has two names, so that a walk would not end
 */
export async function* walkExtFiles(
  files: ExtFileSystem,
  tops: readonly ExtFile[],
  onRepeated: (path: Uint8Array) => void,
): AsyncGenerator<ExtFile[]> {
  const seen = new Set<number>()
  /** The next one last. */
  const waiting = [...tops].reverse()
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    yield [next]
    const { path, inode } = next
    if (inode.type !== 'directory') continue
    if (seen.has(inode.number)) throw damagedExt(`the directory at inode ${inode.number} has two names`)
    seen.add(inode.number)
    if (hasBit(inode.flags, extInodeFlags.encrypted)) continue
    const names = await sortedNames(files, inode, (name) => onRepeated(joinExtPath(path, name)))
    const directories: ExtFile[] = []
    for (let i = 0; i < names.length; i += batchSize) {
      yield await filesOf(files, path, names.slice(i, i + batchSize), directories)
    }
    for (let i = directories.length - 1; i >= 0; i--) waiting.push(directories[i]!)
  }
}

async function filesOf(
  files: ExtFileSystem,
  above: Uint8Array,
  names: readonly ExtName[],
  directories: ExtFile[],
): Promise<ExtFile[]> {
  const inodes = await files.inodesOf(names.map(({ inode }) => inode))
  const found: ExtFile[] = []
  for (const [i, inode] of inodes.entries()) {
    const list = inode.type === 'directory' ? directories : found
    list.push({ path: joinExtPath(above, names[i]!.name), inode })
  }
  return found
}

async function sortedNames(
  files: ExtFileSystem,
  directory: ExtInode,
  onRepeated: (name: Uint8Array) => void,
): Promise<ExtName[]> {
  const keyed: { readonly key: string; readonly name: ExtName }[] = []
  for await (const batch of files.entries(directory)) {
    // Text of one character for each byte sorts as the bytes do, and much faster.
    for (const name of batch) keyed.push({ key: latin1Text(name.name), name })
  }
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const names: ExtName[] = []
  for (const [i, { key, name }] of keyed.entries()) {
    if (key === keyed[i - 1]?.key) onRepeated(name.name)
    else names.push(name)
  }
  return names
}
