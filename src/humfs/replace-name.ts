import { directoryName, joinPath } from '../machine/path-bytes.js'
import type { TreeFacts } from '../trees/host/tree-facts.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'

/** The type of the replacement. It keeps apart what a run and its reverse leave in the same work directory. */
export type KeptKind = 'file' | 'node'

export interface Replacement {
  readonly path: Buffer
  /** Facts of the file to replace. */
  readonly facts: TreeFacts
  /** Facts of its entry. All names of one file share one entry. */
  readonly entry: TreeFacts
  readonly kind: KeptKind
  /** Makes the replacement at this path. */
  readonly make: (path: Buffer) => Promise<void>
}

/**
 * Replace the file of a name. At every instant the name has the old file or the new one.
 *
 * All names of one file become names of one new file. The work directory keeps the new file until the run ends, so a
 * later run that finishes the work finds it again.
 */
export async function replaceName(work: Workspace, { path, facts, entry, kind, make }: Replacement): Promise<void> {
  const { reader, writer, paths } = work
  const draft = joinPath(paths.work, 'draft')
  const kept = keptPath(work, entry, kind)
  const isShared = entry.nlink > 1
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  if (isShared && reader.lstatOrNull(kept) !== null) writer.link(kept, draft)
  else {
    await make(draft)
    writer.setTimes(draft, facts)
    if (isShared) writer.link(draft, kept)
  }
  moveIn(work, draft, path)
}

function keptPath({ paths }: Workspace, entry: TreeFacts, kind: KeptKind): Buffer {
  return joinPath(paths.work, `${kind}-${entry.inode}`)
}

/**
 * Whether a correct name is also the same file as the other names of its entry. The file of the first name counts: the
 * other names must become the same file.
 */
export function isOneWithOthers(work: Workspace, { path, facts, entry, kind }: Omit<Replacement, 'make'>): boolean {
  if (entry.nlink < 2) return true
  const kept = keptPath(work, entry, kind)
  const first = work.reader.lstatOrNull(kept)
  if (first !== null) return first.inode === facts.inode
  work.writer.link(path, kept)
  return true
}

/** Move the replacement to its name. The directory keeps its times: for a guest nothing changed in it. */
function moveIn({ reader, writer }: Workspace, draft: Buffer, path: Buffer): void {
  const directory = directoryName(path)
  const before = reader.lstat(directory)
  writer.rename(draft, path)
  writer.setTimes(directory, before)
}
