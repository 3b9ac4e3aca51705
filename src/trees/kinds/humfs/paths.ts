import { UmlcowError } from '../../../errors.js'
import type { HostPath } from '../../../machine/host-files.js'
import { joinPath, pathBytes } from '../../../machine/path-bytes.js'
import { inTree } from '../../tree-path.js'

/** The paths of a humfs tree. */
export interface HumfsPaths {
  readonly directory: Buffer
  readonly data: Buffer
  readonly superblock: Buffer
  readonly fileMetadata: Buffer
  readonly dirMetadata: Buffer
  readonly journal: Buffer
  /** The work directory: files that are being made or removed. */
  readonly work: Buffer
}

export const treeNames = ['file_metadata', 'dir_metadata'] as const
export const superblockName = 'superblock'
/** A short name, because the paths below it are the longest of the tree. */
export const workName = '.umlcow-humfs'
/** In the work directory: metadata that is being removed. */
export const goneName = 'gone'
export const journalName = 'humfs.umlcow-journal'
/** The entry of a directory is a file of this name in its mirror in `dir_metadata`. */
export const entryName = 'metadata'
/** `--force=exists` adds this to the names of existing metadata. */
export const asideSuffix = '.umlcow-old'

/** Compute the length of the longest path for a name of data: that of its entry during removal. */
export function longestPathOf({ work }: Pick<HumfsPaths, 'work'>, stored: Buffer): number {
  return joinPath(work, goneName).length + treeNames[0].length + stored.length + entryName.length + 3
}

/** Build the paths of a humfs tree. */
export function humfsPaths(directory: HostPath): HumfsPaths {
  const top = pathBytes(directory)
  const at = (name: string) => joinPath(top, name)
  return {
    directory: top,
    data: at('data'),
    superblock: at(superblockName),
    fileMetadata: at('file_metadata'),
    dirMetadata: at('dir_metadata'),
    journal: at(journalName),
    work: at(workName),
  }
}

/** The two trees of metadata. */
export interface ShadowTrees {
  readonly fileMetadata: Buffer
  readonly dirMetadata: Buffer
}

/** Build the path of the entry of a name. */
export function entryPath(trees: ShadowTrees, path: Buffer, isDirectory: boolean): Buffer {
  return isDirectory ? joinPath(inTree(trees.dirMetadata, path), entryName) : inTree(trees.fileMetadata, path)
}

/** Refuse a suffix that no name can have. @throws UmlcowError USAGE */
export function checkSuffix(suffix: string): void {
  if (suffix !== '' && !/[/\0]/.test(suffix)) return
  throw new UmlcowError('USAGE', `${JSON.stringify(suffix)} cannot be the end of a name`)
}
