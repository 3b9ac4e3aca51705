import { printablePath } from '../../src/bytes/escape.js'
import type { FileFacts, HostPath } from '../../src/machine/host-files.js'
import { floorSeconds } from './model-clock.js'
import { type DiskContent, type FileNode, fileBytes } from './model-content.js'
import { factsOf } from './model-files.js'
import { locate, locateFile, naming, pathIn } from './model-paths.js'

export interface FileSnapshot {
  readonly bytes: Buffer
  readonly mtimeNs: bigint
  readonly permissions: number
  readonly owner: number
  readonly group: number
}

/** What a checker asks a disk: none of it is logged or moves the clock. */
export interface DiskViews {
  exists(path: HostPath): boolean
  readFile(path: HostPath): Buffer
  mtimeSeconds(path: HostPath): number
  facts(path: HostPath): FileFacts
  /** Names that a file has. */
  linkCount(path: HostPath): number
  /** All files by their printable paths, sorted. */
  snapshot(): Map<string, FileSnapshot>
  /** A first name of an inode, or null. */
  pathOf(inode: number): string | null
}

export function diskViews(content: DiskContent): DiskViews {
  const fileAt = (path: HostPath): FileNode =>
    naming(path, 'look at it', () => content.files.get(locateFile(content, path, 'stat', 'EISDIR').inode)!)

  return {
    exists: (path) => locateOrNull(content, path) !== null,
    readFile: (path) => fileBytes(fileAt(path)),
    mtimeSeconds: (path) => floorSeconds(fileAt(path).state.mtimeNs),
    facts: (path) =>
      naming(path, 'look at it', () => factsOf(content, locateFile(content, path, 'stat', 'EISDIR').inode)),
    linkCount(path) {
      const sought = locateFile(content, path, 'stat', 'EISDIR').inode
      return namesOf(content).filter(({ inode }) => inode === sought).length
    },
    snapshot() {
      const found = namesOf(content).map(({ path, file }) => [path, snapshotOf(file)] as const)
      return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    pathOf: (sought) => namesOf(content).find(({ inode }) => inode === sought)?.path ?? null,
  }
}

function locateOrNull(content: DiskContent, path: HostPath): number | null {
  try {
    return locate(content, path, 'stat').inode
  } catch {
    return null // A component on the way is missing or a file.
  }
}

function snapshotOf(file: FileNode): FileSnapshot {
  const { size: _, ...state } = file.state
  return { bytes: fileBytes(file), ...state }
}

/** All names of files. */
function namesOf(content: DiskContent): { path: string; inode: number; file: FileNode }[] {
  return [...content.directories.values()].flatMap((directory) =>
    [...directory.names].flatMap(([name, inode]) => {
      const file = content.files.get(inode)
      return file === undefined ? [] : [{ path: printablePath(pathIn(directory, name)), inode, file }]
    }),
  )
}
