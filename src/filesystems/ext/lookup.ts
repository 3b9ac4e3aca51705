import { printablePath } from '../../bytes/escape.js'
import { equalBytes, indexOfByte } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { type ExtInode, extReservedInodes } from '../../formats/ext/index.js'
import { listDirectory } from './directories.js'
import { readInodes } from './inode-table.js'
import { readLinkTarget } from './read-file.js'
import type { ExtVolume } from './volume.js'

/** As many symbolic links as Linux follows. */
const maxLinks = 40

const slash = 0x2f
const dot = 0x2e

/** Find a file by its path from the root directory. */
export async function lookUp(volume: ExtVolume, path: Uint8Array, followLast: boolean): Promise<ExtInode> {
  /** The names that are left to go, the next one last. */
  const left = componentsOf(path).reverse()
  /** The directories on the way, from the root. */
  const way = [await inodeOf(volume, extReservedInodes.root)]
  const mustBeDirectory = path[path.length - 1] === slash
  let linkCount = 0
  while (left.length > 0) {
    const name = left.pop()!
    const here = way[way.length - 1]!
    if (here.type !== 'directory') throw notFound(path, 'is below a file that is no directory')
    if (isUp(name)) {
      if (way.length > 1) way.pop()
      continue
    }
    const inode = await childOf(volume, here, name)
    if (inode === null) throw notFound(path, 'does not exist')
    if (inode.type !== 'symlink' || (left.length === 0 && !followLast && !mustBeDirectory)) {
      way.push(inode)
      continue
    }
    if (++linkCount > maxLinks) throw notFound(path, `leads through more than ${maxLinks} symbolic links`)
    const target = await readLinkTarget(volume, inode)
    if (target[0] === slash) way.length = 1
    left.push(...componentsOf(target).reverse())
  }
  const last = way[way.length - 1]!
  if (mustBeDirectory && last.type !== 'directory') throw notFound(path, 'is no directory')
  return last
}

async function inodeOf(volume: ExtVolume, number: number): Promise<ExtInode> {
  const [inode] = await readInodes(volume, [number])
  return inode!
}

async function childOf(volume: ExtVolume, directory: ExtInode, name: Uint8Array): Promise<ExtInode | null> {
  for await (const names of listDirectory(volume, directory)) {
    const found = names.find((one) => equalBytes(one.name, name))
    if (found !== undefined) return inodeOf(volume, found.inode)
  }
  return null
}

/** Split a path at its slashes. Empty names and `.` lead nowhere, and are left out. */
function componentsOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = []
  for (let start = 0; start < path.length; ) {
    const found = indexOfByte(path, slash, start)
    const end = found < 0 ? path.length : found
    const isHere = end - start === 1 && path[start] === dot
    if (end > start && !isHere) names.push(path.subarray(start, end))
    start = end + 1
  }
  return names
}

function isUp(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === dot && name[1] === dot
}

function notFound(path: Uint8Array, what: string): UmlcowError {
  const shown = printablePath(path)
  return new UmlcowError('FS_NOT_FOUND', `${shown} ${what} in the file system`, { details: { path: shown } })
}
