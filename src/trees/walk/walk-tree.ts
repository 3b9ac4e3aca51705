import { joinPath } from '../../machine/path-bytes.js'
import type { TreeFacts, TreeFiles } from '../host/tree-files.js'
import { inTree } from '../tree-path.js'

/** A name of a tree on a walk. */
export interface TreeItem {
  /** Relative to the top; empty is the top itself. Who renames a directory sets it, and the walk goes on there. */
  path: Buffer
  /** The same as it is called in the metadata. */
  stored: Buffer
  readonly facts: TreeFacts
  /** True when a directory comes again, after all that is in it. */
  readonly isLeaving: boolean
  /** Of a directory: whether what is in it comes, too. */
  descend: boolean
}

export type OnWalkError = (path: Buffer, error: unknown) => void

interface Level {
  readonly item: TreeItem
  /** Of the directories in it, as latin1: a string takes a third of what a Buffer does. */
  readonly pending: string[]
}

/**
 * Everything in a tree: a directory before what it holds and again after it. Links are not followed, what the tree
 * holds is never in memory: of a directory only the names of its subdirectories are, and no more than one is open.
 *
 * @param onError  gets what cannot be looked at, and the walk goes on; without it the walk ends
 */
export function* walkTree(files: TreeFiles, top: Buffer, onError?: OnWalkError): Generator<TreeItem> {
  const guarded = <T>(path: Buffer, run: () => T): T | null => {
    try {
      return run()
    } catch (error) {
      if (onError === undefined) throw error
      onError(path, error)
      return null
    }
  }
  const facts = guarded(Buffer.alloc(0), () => files.lstat(top))
  if (facts === null) return
  const first = itemOf(Buffer.alloc(0), Buffer.alloc(0), facts)
  yield first
  if (facts.type !== 'directory' || !first.descend) return
  const levels: Level[] = [{ item: first, pending: [] }]
  yield* listDirectory(levels[0]!)

  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.pending.pop()
    if (next === undefined) {
      levels.pop()
      yield { ...level.item, isLeaving: true }
      continue
    }
    const item = look(level.item, Buffer.from(next, 'latin1'))
    if (item === null) continue
    yield item
    if (item.facts.type !== 'directory' || !item.descend) continue
    const below: Level = { item, pending: [] }
    levels.push(below)
    yield* listDirectory(below)
  }

  function look(parent: TreeItem, name: Buffer): TreeItem | null {
    const path = joinPath(parent.path, name)
    const own = guarded(path, () => files.lstat(inTree(top, path)))
    return own === null ? null : itemOf(path, parent.stored === parent.path ? path : joinPath(parent.stored, name), own)
  }

  /** All but the directories, which wait until this one is closed. */
  function* listDirectory(level: Level): Generator<TreeItem> {
    try {
      for (const { name } of files.children(inTree(top, level.item.path))) {
        const item = look(level.item, name)
        if (item === null) continue
        if (item.facts.type === 'directory') level.pending.push(name.toString('latin1'))
        else yield item
      }
    } catch (error) {
      if (onError === undefined) throw error
      onError(level.item.path, error)
    }
  }
}

function itemOf(path: Buffer, stored: Buffer, facts: TreeFacts): TreeItem {
  return { path, stored: stored.equals(path) ? path : stored, facts, isLeaving: false, descend: true }
}
