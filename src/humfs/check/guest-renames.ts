import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { followGuestRename } from './follow-guest-rename.js'
import { dataName } from './tree-findings.js'

// A guest that renames the directory FROM to TO does this to the trees, for its kernel looks for what TO is before it is
// there, and takes it for a file:
//   data/FROM                     data/TO
//   dir_metadata/FROM/metadata    file_metadata/TO
// The metadata of all that is in the directory stays where it is: file_metadata/FROM/..., dir_metadata/FROM/...

/**
 * How to mend what guests' renames have done, where there is one directory only that can have been renamed to a name:
 * it holds the same names.
 *
 * @param to    directories of data whose entry is a file of `file_metadata`
 * @param from  directories of the metadata without an entry of their own, and without data
 * @returns     by the name that a finding has for it
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

/** Directories by the names that they hold. */
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
