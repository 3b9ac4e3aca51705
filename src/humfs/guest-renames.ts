import { joinPath } from '../host/path-bytes.js'
import { entryName, inTree } from './humfs-paths.js'
import { dataName } from './tree-findings.js'
import type { Workspace } from './workspace.js'

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
  const pairs = to.flatMap((one) =>
    from.filter((other) => holdsTheSame(work, one, other)).map((other) => [one, other] as const),
  )
  for (const [one, other] of pairs) {
    const rivals = pairs.filter((pair) => pair[0] === one || pair[1] === other)
    if (rivals.length === 1) repairs.set(dataName(one), () => moveBack(work, one, other))
  }
  return repairs
}

function holdsTheSame({ treeFiles, paths }: Workspace, to: Buffer, from: Buffer): boolean {
  const namesOf = (directory: Buffer) =>
    [...treeFiles.children(directory)].map(({ name }) => name.toString('latin1')).sort()
  const there = namesOf(inTree(paths.data, to))
  const recorded = namesOf(inTree(paths.fileMetadata, from))
  return there.length === recorded.length && there.every((name, i) => name === recorded[i])
}

function moveBack({ treeFiles, paths }: Workspace, to: Buffer, from: Buffer): void {
  const files = (path: Buffer) => inTree(paths.fileMetadata, path)
  const directories = (path: Buffer) => inTree(paths.dirMetadata, path)
  treeFiles.rename(directories(from), directories(to))
  treeFiles.rename(files(to), joinPath(directories(to), entryName))
  treeFiles.rename(files(from), files(to))
}
