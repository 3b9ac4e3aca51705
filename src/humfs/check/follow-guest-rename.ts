import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { directoryName, joinPath } from '../../machine/path-bytes.js'
import { type DirectoryRename, journalRename, readHumfsJournal, refuseRename } from '../../trees/kinds/humfs/journal.js'
import { entryName } from '../../trees/kinds/humfs/paths.js'
import { refuseWithoutTrees } from '../../trees/kinds/humfs/read-superblock.js'
import { beginJournal, removeHumfsJournal, type Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'

interface Step {
  readonly from: Buffer
  readonly to: Buffer
}

/**
 * Move the metadata of a directory to the name that a guest gave the directory. This takes three renames, and all of
 * them take effect or none. `undoGuestRename` undoes a run that was cut short.
 *
 * @throws UmlcowError HUMFS_DAMAGED, HUMFS_UNFINISHED, and what the host throws
 */
export function followGuestRename(work: Workspace, rename: DirectoryRename): void {
  refuseRename(work.paths, readHumfsJournal(work.reader, work.paths))
  const steps = stepsOf(work, rename)
  if (countDone(work, steps) !== 0) throw damaged("its metadata is not where a guest's rename leaves it")
  beginJournal(work, journalRename(rename))
  try {
    for (const { from, to } of steps) work.writer.rename(from, to)
  } catch (error) {
    try {
      undoGuestRename(work, rename)
    } catch {
      // The journal stays, so the next run undoes it.
    }
    throw error
  }
  end(work, steps)
}

/**
 * Undo a repair that was cut short, so that the tree is again as the guest left it and a check can read all of it. If
 * the last step was done, the repair stays.
 *
 * @throws UmlcowError HUMFS_DAMAGED when no such run can have left the metadata like this
 */
export function undoGuestRename(work: Workspace, rename: DirectoryRename): void {
  refuseWithoutTrees(work)
  const steps = stepsOf(work, rename)
  const done = countDone(work, steps)
  if (done === null) {
    const journal = printablePath(work.paths.journal)
    throw damaged(`its metadata is not where ${journal} says; look at both places, then remove that file`)
  }
  if (done < steps.length) {
    for (const { from, to } of steps.slice(0, done).reverse()) work.writer.rename(to, from)
  }
  end(work, steps)
}

function stepsOf(work: Workspace, { from, to }: DirectoryRename): Step[] {
  const { fileMetadata, dirMetadata } = work.paths
  for (const tree of [fileMetadata, dirMetadata]) for (const path of [from, to]) refuseLinks(work, tree, path)
  const [directory, newDirectory] = [inTree(dirMetadata, from), inTree(dirMetadata, to)]
  const [files, newFiles] = [inTree(fileMetadata, from), inTree(fileMetadata, to)]
  return [
    { from: directory, to: newDirectory },
    { from: newFiles, to: joinPath(newDirectory, entryName) },
    { from: files, to: newFiles },
  ]
}

/** Refuse a path through a link: the renames would leave the tree. */
function refuseLinks({ reader }: Workspace, tree: Buffer, path: Buffer): void {
  for (let end = path.indexOf(0x2f); end >= 0; end = path.indexOf(0x2f, end + 1)) {
    if (reader.lstatOrNull(inTree(tree, path.subarray(0, end)))?.type === 'directory') continue
    throw damaged('there is no directory above its metadata')
  }
}

/** Count the steps that were done. @returns null when the trees are in none of the known states */
function countDone({ reader }: Workspace, [first, second, third]: readonly Step[]): number | null {
  const typeOf = (path: Buffer) => reader.lstatOrNull(path)?.type ?? null
  // A link in place of the directory leads to another tree.
  const place = typeOf(first!.to)
  const entry = place === 'directory' ? typeOf(second!.to) : null
  const state = [typeOf(first!.from), place, entry, typeOf(second!.from), typeOf(third!.from)].join()
  const found = states.findIndex((those) => those.includes(state))
  return found < 0 ? null : found
}

/**
 * One line for each number of steps done. The types are those of the old directory in `dir_metadata`, the new one, the
 * entry in the new one, the new name in `file_metadata` and the old one.
 */
const states = [
  // If the file is missing, the guest undid its rename.
  ['directory,,,file,directory', 'directory,,,,directory'],
  [',directory,,file,directory'],
  [',directory,file,,directory'],
  [',directory,file,directory,'],
]

function end(work: Workspace, steps: readonly Step[]): void {
  const { reader, writer, options } = work
  if (!options.noSync) {
    const places = steps.flatMap(({ from, to }) => [directoryName(from), directoryName(to)])
    const named = new Map(places.map((place) => [place.toString('latin1'), place]))
    for (const place of named.values()) if (reader.lstatOrNull(place) !== null) writer.syncFile(place)
  }
  removeHumfsJournal(work)
}

function damaged(message: string): UmlcowError {
  return new UmlcowError('HUMFS_DAMAGED', message)
}
