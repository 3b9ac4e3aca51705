import { UmlcowError } from '../errors.js'
import type { EntryType } from '../formats/manifest/entry.js'
import { directoryName, joinPath } from '../host/path-bytes.js'
import { type DirectoryRename, journalRename, readHumfsJournal, refuseRename } from './humfs-journal.js'
import { entryName, inTree } from './humfs-paths.js'
import { beginJournal, removeJournal, type Workspace } from './workspace.js'

interface Step {
  readonly from: Buffer
  readonly to: Buffer
  /** What moves. */
  readonly type: EntryType
}

/**
 * Move the metadata of a directory to where a guest has renamed it to: three renames, which are done whole or not at all.
 * What is cut short is finished by `finishGuestRename`.
 *
 * @throws UmlcowError HUMFS_DAMAGED, HUMFS_UNFINISHED, and what the host throws
 */
export function followGuestRename(work: Workspace, rename: DirectoryRename): void {
  refuseRename(work.paths, readHumfsJournal(work.treeFiles, work.paths))
  const steps = stepsOf(work, rename)
  if (work.treeFiles.lstatOrNull(inTree(work.paths.dirMetadata, rename.to)) !== null) {
    throw new UmlcowError('HUMFS_DAMAGED', 'there is a directory in the place of its metadata')
  }
  beginJournal(work, journalRename(rename))
  const done: Step[] = []
  try {
    for (const step of steps) {
      if (!take(work, step)) throw new UmlcowError('HUMFS_DAMAGED', 'its metadata changes meanwhile')
      done.push(step)
    }
  } catch (error) {
    for (const { from, to } of done.reverse()) work.treeFiles.rename(to, from)
    removeJournal(work)
    throw error
  }
  end(work, steps)
}

/** Do what is left of a move that was cut short. @throws UmlcowError as `followGuestRename` */
export function finishGuestRename(work: Workspace, rename: DirectoryRename): void {
  const steps = stepsOf(work, rename)
  for (const step of steps) take(work, step)
  end(work, steps)
}

function stepsOf(work: Workspace, { from, to }: DirectoryRename): Step[] {
  const { fileMetadata, dirMetadata } = work.paths
  for (const tree of [fileMetadata, dirMetadata]) for (const path of [from, to]) refuseLinks(work, tree, path)
  const [directory, newDirectory] = [inTree(dirMetadata, from), inTree(dirMetadata, to)]
  const [files, newFiles] = [inTree(fileMetadata, from), inTree(fileMetadata, to)]
  return [
    { from: directory, to: newDirectory, type: 'directory' },
    { from: newFiles, to: joinPath(newDirectory, entryName), type: 'file' },
    { from: files, to: newFiles, type: 'directory' },
  ]
}

/** Nothing is moved through links, out of the tree. */
function refuseLinks({ treeFiles }: Workspace, tree: Buffer, path: Buffer): void {
  for (let end = path.indexOf(0x2f); end >= 0; end = path.indexOf(0x2f, end + 1)) {
    if (treeFiles.lstatOrNull(inTree(tree, path.subarray(0, end)))?.type === 'directory') continue
    throw new UmlcowError('HUMFS_DAMAGED', 'there is no directory above its metadata')
  }
}

/** @returns false when it has been moved: there is nothing of that kind, or something in its new place */
function take({ treeFiles }: Workspace, { from, to, type }: Step): boolean {
  if (treeFiles.lstatOrNull(from)?.type !== type || treeFiles.lstatOrNull(to) !== null) return false
  treeFiles.rename(from, to)
  return true
}

function end(work: Workspace, steps: readonly Step[]): void {
  const { treeFiles, options } = work
  const places = new Map(
    steps
      .flatMap(({ from, to }) => [directoryName(from), directoryName(to)])
      .map((one) => [one.toString('latin1'), one]),
  )
  if (!options.noSync) for (const place of places.values()) treeFiles.syncFile(place)
  removeJournal(work)
}
