import { UmlcowError } from '../../../errors.js'
import type { HostPath } from '../../../machine/host-files.js'
import { joinPath, pathBytes } from '../../../machine/path-bytes.js'
import { inTree } from '../../tree-path.js'

/** Where everything of a humfs tree lies. */
export interface HumfsPaths {
  readonly directory: Buffer
  readonly data: Buffer
  readonly superblock: Buffer
  readonly fileMetadata: Buffer
  readonly dirMetadata: Buffer
  readonly journal: Buffer
  /** Everything that is being made or is on its way out. */
  readonly work: Buffer
}

export const treeNames = ['file_metadata', 'dir_metadata'] as const
export const superblockName = 'superblock'
/** Kept short: paths below it are the longest that there are. */
export const workName = '.umlcow-humfs'
/** In it: metadata that is being removed. */
export const goneName = 'gone'
export const journalName = 'humfs.umlcow-journal'
/** The metadata of a directory is a file of this name in its own place of `dir_metadata`. */
export const entryName = 'metadata'
/** Where `--force=exists` puts what was there. */
export const asideSuffix = '.umlcow-old'

/** Bytes of the longest path that something of data ever has: that of its metadata on its way out. */
export function longestPathOf({ work }: Pick<HumfsPaths, 'work'>, stored: Buffer): number {
  return joinPath(work, goneName).length + treeNames[0].length + stored.length + entryName.length + 3
}

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

export interface ShadowTrees {
  readonly fileMetadata: Buffer
  readonly dirMetadata: Buffer
}

/** Where the entry of a name lies. */
export function entryPath(trees: ShadowTrees, path: Buffer, isDirectory: boolean): Buffer {
  return isDirectory ? joinPath(inTree(trees.dirMetadata, path), entryName) : inTree(trees.fileMetadata, path)
}

/** Refuse what cannot end the new name of a directory called `metadata`. @throws UmlcowError USAGE */
export function checkSuffix(suffix: string): void {
  if (suffix !== '' && !/[/\0]/.test(suffix)) return
  throw new UmlcowError('USAGE', `${JSON.stringify(suffix)} cannot be the end of a name`)
}
