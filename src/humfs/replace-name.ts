import { directoryName, joinPath } from '../machine/path-bytes.js'
import type { TreeFacts } from '../trees/host/tree-facts.js'
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
 * Whether a name that is right as it is is also one with the other names of its entry. The first one is what the others
 * are to be.
 */
export function isOneWithOthers(work: Workspace, { path, facts, entry, kind }: Omit<Replacement, 'make'>): boolean {
  if (entry.nlink < 2) return true
  const kept = keptPath(work, entry, kind)
  const first = work.reader.lstatOrNull(kept)
  if (first !== null) return first.inode === facts.inode
  work.writer.link(path, kept)
  return true
}

/** The directory keeps its times: to a guest nothing has happened in it. */
function moveIn({ reader, writer }: Workspace, draft: Buffer, path: Buffer): void {
  const directory = directoryName(path)
  const before = reader.lstat(directory)
  writer.rename(draft, path)
  writer.setTimes(directory, before)
}
