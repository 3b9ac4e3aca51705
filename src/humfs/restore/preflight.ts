import { printablePath } from '../../bytes/escape.js'
import type { ParsedMetadata } from '../../formats/humfs/metadata.js'
import type { HostUser } from '../../machine/host-user.js'
import type { TreeFacts } from '../../trees/host/tree-facts.js'
import { type Inspected, inspectTree } from '../../trees/kinds/humfs/inspect-tree.js'
import { createKnownEntries, type KnownEntries } from '../../trees/kinds/humfs/known-entries.js'
import { longestPathOf } from '../../trees/kinds/humfs/paths.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { LinkTable } from '../../trees/link-table.js'
import { createPace } from '../../trees/pace.js'
import { createProblems, type Problems } from '../../trees/problems.js'
import { longestPath } from '../../trees/tree-path.js'
import { findOrphans } from '../find-orphans.js'
import { refuseMounts } from '../refuse-mounts.js'
import { createOrphanCount } from './orphan-count.js'
import { hasNoOwner, noOwner } from './restore-item.js'

const setgid = 0o2000

export interface RestoreView {
  readonly entries: number
  readonly known: KnownEntries
  /** The problems found; empty unless the run is forced. */
  readonly problems: Problems
}

/**
 * Check that every name has an entry and every entry a name, before anything changes.
 *
 * @param force  go on in spite of problems
 * @throws       UmlcowError HUMFS_DAMAGED with every problem, HUMFS_UNFIT
 */
export async function restorePreflight(work: Workspace, force: boolean): Promise<RestoreView> {
  refuseMounts(work)
  const problems = createProblems('data')
  const pace = createPace({ ...work.options, description: 'looking at data and metadata' })
  const links = new LinkTable()
  const known = createKnownEntries()
  const orphans = createOrphanCount(work.reader, work.paths)
  let entries = 0
  const user = work.reader.user()
  const onError = (path: Buffer, error: unknown) => problems.addError(path, error)
  for (const one of inspectTree(work.reader, work.paths, onError)) {
    if (pace.step()) await pace.rest()
    if (one.item.isLeaving) continue
    entries++
    known.add(one.item.facts, one.entry)
    orphans.add(one)
    checkOne(work, one, user, problems)
    checkNames(one, links, problems)
  }
  if (!(await orphans.isSurelyNone(pace))) {
    for (const { tree, path } of findOrphans(work, onError)) {
      problems.addText(`${tree}/${printablePath(path)}: belongs to nothing in data`)
    }
  }
  if (!force) {
    problems.refuse(
      'HUMFS_DAMAGED',
      'nothing was changed; run "umlcow humfs check" for details; --force=damage restores what it can',
    )
  }
  return { entries, known, problems }
}

function checkOne(work: Workspace, { item, entry, failure }: Inspected, user: HostUser, problems: Problems): void {
  const { path, facts } = item
  const longest = longestPathOf(work.paths, path)
  if (longest > longestPath) {
    problems.add(path, `the path of its metadata takes ${longest} bytes, the system takes ${longestPath}`)
  }
  if (failure !== null) problems.addError(path, failure)
  else if (entry === null) problems.add(path, 'has no metadata')
  else {
    const isFile = facts.type === 'file'
    if (entry.node !== null && isFile && facts.size > 0) problems.add(path, 'is a node by its metadata, but not empty')
    if (entry.node !== null && (facts.type === 'directory' || facts.type === 'symlink')) {
      problems.add(path, `is a ${facts.type}, but a node by its metadata`)
    }
    if (hasNoOwner(entry)) problems.add(path, noOwner)
    if (user.uid !== 0) checkRights(facts, entry, path, user, problems)
  }
}

/**
 * Check what only root may do: make devices and give files away. Other users may set the group and the setgid bit only
 * for groups that they are members of.
 */
function checkRights(facts: TreeFacts, entry: ParsedMetadata, path: Buffer, user: HostUser, problems: Problems): void {
  const setsGroup = facts.gid !== entry.gid || ((entry.mode & setgid) !== 0 && facts.type !== 'symlink')
  if (facts.uid !== user.uid || entry.uid !== user.uid) problems.add(path, `only root may give it to user ${entry.uid}`)
  else if (entry.node?.letter === 'c' || entry.node?.letter === 'b') problems.add(path, 'only root may make a device')
  else if (setsGroup && !user.groups.includes(entry.gid)) {
    problems.add(path, `only root and members may give it to group ${entry.gid}, or set its setgid bit`)
  }
}

/** Check that all names of one file have the same metadata: a file has one owner and one mode. */
function checkNames({ item, entry }: Inspected, links: LinkTable, problems: Problems): void {
  const textOf = () => Buffer.from(JSON.stringify(entry))
  const first = links.further(item.facts, textOf)
  if (first !== null && !first.equals(textOf())) {
    problems.add(item.path, 'its metadata differs from that of another name of the same file')
  }
}
