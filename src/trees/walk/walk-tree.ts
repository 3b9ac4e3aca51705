import { joinPath } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../host/tree-facts.js'
import type { TreeReader } from '../host/tree-reader.js'
import { inTree } from '../tree-path.js'
import { look, type OnWalkError, walkLevels } from './walk-levels.js'

/** A name that the walk found. */
export interface TreeItem {
  /** Relative to the top; empty is the top itself. A caller that renames a directory sets the new path for the walk. */
  path: Buffer
  /** The path in the metadata. */
  stored: Buffer
  readonly facts: TreeFacts
  /** True when a directory comes again, after its content. */
  readonly isLeaving: boolean
  /** For a directory: whether the walk enters it. The caller may clear it. */
  descend: boolean
}

const nothing = Buffer.alloc(0)

/**
 * List a tree, a directory before its content and again after it. The walk follows no links. Of a directory it keeps
 * only the names of its subdirectories.
 *
 * @param onError  receives errors, and the walk goes on; without it the first error ends the walk
 */
export function walkTree(reader: TreeReader, top: Buffer, onError?: OnWalkError): Generator<TreeItem> {
  const itemAt = (above: TreeItem | null, name: Buffer): TreeItem | null => {
    const path = above === null ? nothing : joinPath(above.path, name)
    const facts = look(path, onError, () => reader.lstat(inTree(top, path)))
    if (facts === null) return null
    // Most trees have no renamed directory, so `path` and `stored` share one Buffer.
    const stored = above === null || above.stored === above.path ? path : joinPath(above.stored, name)
    return { path, stored: stored.equals(path) ? path : stored, facts, isLeaving: false, descend: true }
  }
  return walkLevels<TreeItem, TreeItem>({
    *enter(above, name, pending) {
      const directory = itemAt(above, name)
      if (directory === null) return null
      yield directory
      if (directory.facts.type !== 'directory' || !directory.descend) return null
      try {
        for (const child of reader.children(inTree(top, directory.path))) {
          const item = itemAt(directory, child.name)
          if (item === null) continue
          if (item.facts.type === 'directory') pending.push(child.name.toString('latin1'))
          else yield item
        }
      } catch (error) {
        if (onError === undefined) throw error
        onError(directory.path, error)
      }
      return directory
    },
    leave: (directory) => ({ ...directory, isLeaving: true }),
  })
}
