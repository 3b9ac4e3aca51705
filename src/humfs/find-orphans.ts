import { baseName, joinPath } from '../machine/path-bytes.js'
import { entryName } from '../trees/kinds/humfs/paths.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'
import { inTree } from '../trees/tree-path.js'
import type { OnWalkError } from '../trees/walk/walk-levels.js'
import { walkTree } from '../trees/walk/walk-tree.js'

export interface Orphan {
  /** The tree that holds it. */
  readonly tree: 'file_metadata' | 'dir_metadata'
  readonly path: Buffer
}

/**
 * Find metadata without a name in data. Of a tree of orphans, yield only its top.
 *
 * @param onError  receives errors of the walk; the path is relative to a tree, and the message has the full path
 */
export function* findOrphans(work: Workspace, onError: OnWalkError): Generator<Orphan> {
  yield* orphansIn(work, 'file_metadata', onError)
  yield* orphansIn(work, 'dir_metadata', onError)
}

function* orphansIn(work: Workspace, tree: Orphan['tree'], onError: OnWalkError): Generator<Orphan> {
  const { reader, paths } = work
  const top = joinPath(paths.directory, tree)
  const isDirectoryTree = tree === 'dir_metadata'
  for (const item of walkTree(reader, top, onError)) {
    const { path, facts, isLeaving } = item
    if (isLeaving || path.length === 0) continue
    const isDirectory = facts.type === 'directory'
    // The entry belongs to its directory, which the walk has already checked.
    if (isDirectoryTree && !isDirectory && baseName(path).toString('latin1') === entryName) continue
    try {
      const data = reader.lstatOrNull(inTree(paths.data, path))
      const isRight = isDirectoryTree || isDirectory ? data?.type === 'directory' && isDirectory : data !== null
      if (isRight) continue
    } catch (error) {
      onError(path, error)
      continue
    }
    item.descend = false
    yield { tree, path }
  }
}

/** Whether a directory of `dir_metadata` lacks its own entry, as after a guest's rename. */
export function lacksEntry({ reader, paths }: Workspace, path: Buffer): boolean {
  return (
    reader.lstatOrNull(joinPath(inTree(paths.dirMetadata, path), entryName)) === null &&
    reader.lstatOrNull(inTree(paths.fileMetadata, path))?.type === 'directory'
  )
}
