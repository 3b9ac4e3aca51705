import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { followGuestRename } from './follow-guest-rename.js'
import { dataName } from './tree-findings.js'

// When a guest renames the directory FROM to TO, its kernel looks up the type of TO before TO exists, and takes it as a
// file. This is what it does to the trees:
//   data/FROM                     data/TO
//   dir_metadata/FROM/metadata    file_metadata/TO
// The metadata of the names in the directory does not move: file_metadata/FROM/..., dir_metadata/FROM/...

/**
 * Find the repairs of guests' renames. The old directory is the one that holds the same names; there is a repair only
 * where exactly one directory does.
 *
 * @param to    directories of data whose entry is a file of `file_metadata`
 * @param from  directories of the metadata that have neither an entry of their own nor data
 * @returns     repairs by the path in the finding
 */
export function guestRenames(work: Workspace, to: readonly Buffer[], from: readonly Buffer[]): Map<string, () => void> {
  const repairs = new Map<string, () => void>()
  const { data, fileMetadata } = work.paths
  const recorded = byNames(work, fileMetadata, from)
  for (const [names, [one, ...more]] of byNames(work, data, to)) {
    const [other, ...rivals] = recorded.get(names) ?? []
    if (one === undefined || other === undefined || more.length + rivals.length > 0) continue
    repairs.set(dataName(one), () => followGuestRename(work, { from: other, to: one }))
  }
  return repairs
}

/** Group directories by the names that they hold. */
function byNames({ reader }: Workspace, tree: Buffer, paths: readonly Buffer[]): Map<string, Buffer[]> {
  const groups = new Map<string, Buffer[]>()
  for (const path of paths) {
    const names = [...reader.children(inTree(tree, path))].map(({ name }) => name.toString('latin1'))
    const key = names.sort().join('/')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [path])
    else group.push(path)
  }
  return groups
}
