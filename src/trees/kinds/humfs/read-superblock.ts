import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { longestSuperblock, type ParsedSuperblock, parseSuperblock } from '../../../formats/humfs/superblock.js'
import { joinPath } from '../../../machine/path-bytes.js'
import { superblockName, treeNames } from './paths.js'
import type { Workspace } from './workspace.js'

/**
 * Read the superblock of a tree.
 *
 * @throws UmlcowError NOT_HUMFS when there is no humfs metadata, HUMFS_SUPERBLOCK, HUMFS_VERSION
 */
export function readSuperblock({ reader, paths }: Workspace): ParsedSuperblock {
  const facts = reader.lstatOrNull(paths.superblock)
  if (facts === null) {
    const names = [superblockName, ...treeNames].map((name) => joinPath(paths.directory, name))
    if (names.every((name) => reader.lstatOrNull(name) === null)) {
      throw new UmlcowError('NOT_HUMFS', `${printablePath(paths.directory)}: there is no humfs metadata`)
    }
    throw new UmlcowError('HUMFS_SUPERBLOCK', `${printablePath(paths.superblock)}: does not exist`)
  }
  if (facts.type !== 'file') {
    throw new UmlcowError('HUMFS_SUPERBLOCK', `${printablePath(paths.superblock)}: is a ${facts.type}, not a file`)
  }
  return parseSuperblock(reader.readStart(paths.superblock, longestSuperblock + 1))
}

/** Refuse a tree without its two trees of metadata. @throws UmlcowError HUMFS_DAMAGED */
export function refuseWithoutTrees({ reader, paths }: Workspace): void {
  const missing = [paths.fileMetadata, paths.dirMetadata].filter(
    (tree) => reader.lstatOrNull(tree)?.type !== 'directory',
  )
  if (missing.length === 0) return
  const lines = missing.map((tree) => `${printablePath(tree)}: does not exist or is not a directory`)
  throw new UmlcowError('HUMFS_DAMAGED', lines.join('\n'))
}
