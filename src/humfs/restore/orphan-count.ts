import { hasCode, UmlcowError } from '../../errors.js'
import type { TreeFacts } from '../../trees/host/tree-facts.js'
import type { TreeReader } from '../../trees/host/tree-reader.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import type { HumfsPaths } from '../../trees/kinds/humfs/paths.js'
import type { Pace } from '../../trees/pace.js'
import { inTree } from '../../trees/tree-path.js'
import { countNames, type NameCounts } from '../count-names.js'

/**
 * Proves that the metadata has no orphans, without a look at each of its names. Every name of data with an entry
 * accounts for another name of the metadata. So if the metadata has no more names than these, none is an orphan.
 */
export interface OrphanCount {
  /** Counts a name of data. The caller adds each name once. */
  add(one: Inspected): void
  /** Whether there are surely no orphans. */
  isSurelyNone(pace: Pace): Promise<boolean>
}

/** Start a count, before the walk through data. */
export function createOrphanCount(reader: TreeReader, paths: HumfsPaths): OrphanCount {
  const fileTree: NameCounts = { files: 0, directories: 0 }
  const directoryTree: NameCounts = { files: 0, directories: 0 }
  let isCounted = true
  const isDirectory = (facts: TreeFacts | null) => facts?.type === 'directory'
  const count = ({ item, entryFacts }: Inspected) => {
    const { path, facts } = item
    const hasEntry = entryFacts !== null && !isDirectory(entryFacts)
    if (!isDirectory(facts)) {
      if (hasEntry) fileTree.files++
      return
    }
    // A link in place of a directory would lead out of the tree.
    const isIn = (tree: Buffer) => isDirectory(reader.lstatOrNull(inTree(tree, path)))
    if (isIn(paths.fileMetadata)) fileTree.directories++
    if (!isIn(paths.dirMetadata)) return
    directoryTree.directories++
    if (hasEntry) directoryTree.files++
  }
  // On an error, leave it to the full search to report the path.
  const giveUp = (error: unknown): false => {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED')) throw error
    isCounted = false
    return false
  }
  return {
    add(one) {
      try {
        if (isCounted) count(one)
      } catch (error) {
        giveUp(error)
      }
    },
    async isSurelyNone(pace) {
      if (!isCounted) return false
      try {
        return (
          isSame(await countNames(reader, paths.fileMetadata, pace), fileTree) &&
          isSame(await countNames(reader, paths.dirMetadata, pace), directoryTree)
        )
      } catch (error) {
        return giveUp(error)
      }
    },
  }
}

function isSame(a: NameCounts, b: NameCounts): boolean {
  return a.files === b.files && a.directories === b.directories
}
