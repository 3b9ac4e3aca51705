import { directoryName, joinPath } from '../machine/path-bytes.js'
import type { TreeFacts } from '../trees/host/tree-files.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'

/** What the new things are: a run and its reverse may be in turn at the same work. */
export type KeptKind = 'file' | 'node'

export interface Replacement {
  readonly path: Buffer
  /** Of what is there. */
  readonly facts: TreeFacts
  /** Of its metadata. The names of one file are the names of one entry. */
  readonly entry: TreeFacts
  readonly kind: KeptKind
  /** Makes the new one. */
  readonly make: (path: Buffer) => Promise<void>
}

/**
 * Put something else in the place of a name: at every instant one of the two is there. The names of one file become the
 * names of one new file, which is kept in the work directory until the run is over, so that a run that finishes another's
 * work finds it again.
 */
export async function replaceName(work: Workspace, { path, facts, entry, kind, make }: Replacement): Promise<void> {
  const { treeFiles, paths } = work
  const draft = joinPath(paths.work, 'draft')
  const kept = keptPath(work, entry, kind)
  const isShared = entry.nlink > 1
  if (treeFiles.lstatOrNull(draft) !== null) treeFiles.unlink(draft)
  if (isShared && treeFiles.lstatOrNull(kept) !== null) treeFiles.link(kept, draft)
  else {
    await make(draft)
    treeFiles.setTimes(draft, facts)
    if (isShared) treeFiles.link(draft, kept)
  }
  moveIn(treeFiles, draft, path)
}

function keptPath({ paths }: Workspace, entry: TreeFacts, kind: KeptKind): Buffer {
  return joinPath(paths.work, `${kind}-${entry.inode}`)
}

/**
 * Whether a name that is right as it is is also one with the other names of its entry. The first one is what the others
 * are to be.
 */
export function isOneWithOthers(work: Workspace, { path, facts, entry, kind }: Omit<Replacement, 'make'>): boolean {
  if (entry.nlink < 2) return true
  const kept = keptPath(work, entry, kind)
  const first = work.treeFiles.lstatOrNull(kept)
  if (first !== null) return first.inode === facts.inode
  work.treeFiles.link(path, kept)
  return true
}

/** The directory keeps its times: to a guest nothing has happened in it. */
function moveIn(files: Workspace['treeFiles'], draft: Buffer, path: Buffer): void {
  const directory = directoryName(path)
  const before = files.lstat(directory)
  files.rename(draft, path)
  files.setTimes(directory, before)
}
