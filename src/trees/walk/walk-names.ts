import { joinPath } from '../../machine/path-bytes.js'
import type { TreeReader } from '../host/tree-reader.js'
import { walkLevels } from './walk-levels.js'

export interface WalkedName {
  /** Includes the path of the top. */
  readonly path: Buffer
  readonly isDirectory: boolean
}

/**
 * List the names of a tree, without an `lstat` of each. A directory comes after its content, and the top last. The walk
 * follows no links.
 *
 * @param top  a directory
 */
export function walkNames(reader: TreeReader, top: Buffer): Generator<WalkedName> {
  return walkLevels<Buffer, WalkedName>({
    *enter(above, name, pending) {
      const directory = above === null ? top : joinPath(above, name)
      for (const child of reader.children(directory)) {
        if (child.isDirectory) pending.push(child.name.toString('latin1'))
        else yield { path: joinPath(directory, child.name), isDirectory: false }
      }
      return directory
    },
    leave: (path) => ({ path, isDirectory: true }),
  })
}
