import { printablePath } from '../bytes/escape.js'
import { findOrphans } from './find-orphans.js'
import { type Inspected, inspectTree } from './inspect-tree.js'
import { createKnownEntries, type KnownEntries } from './known-entries.js'
import { createOrphanCount } from './orphan-count.js'
import { createPace } from './pace.js'
import { createProblems, type Problems } from './problems.js'
import type { Workspace } from './workspace.js'

export interface RestoreCount {
  readonly entries: number
  readonly known: KnownEntries
}

/**
 * See whether every name has its entry and every entry its name, before anything is changed.
 *
 * @param force  find nothing wrong
 * @throws       UmlcowError HUMFS_DAMAGED with all that stands against it
 */
export async function restorePreflight(work: Workspace, force: boolean): Promise<RestoreCount> {
  const problems = createProblems('data')
  const pace = createPace({ ...work.options, description: 'looking at data and metadata' })
  const entriesOf = new Map<string, Inspected['entry']>()
  const known = createKnownEntries()
  const orphans = createOrphanCount(work.treeFiles, work.paths)
  let entries = 0
  const onError = (path: Buffer, error: unknown) => problems.addError(path, error)
  for (const one of inspectTree(work.treeFiles, work.paths, onError)) {
    if (pace.step()) await pace.rest()
    if (one.item.isLeaving) continue
    entries++
    known.add(one.item.facts, one.entry)
    orphans.add(one)
    checkOne(one, problems)
    checkNames(one, entriesOf, problems)
  }
  if (!(await orphans.isSurelyNone(pace))) {
    for (const { tree, path } of findOrphans(work)) {
      problems.addText(`${tree}/${printablePath(path)}: belongs to nothing in data`)
    }
  }
  if (!force) {
    problems.refuse(
      'HUMFS_DAMAGED',
      'nothing was changed; umlcow humfs check tells more; --force does what can be done',
    )
  }
  return { entries, known }
}

function checkOne({ item, entry, failure }: Inspected, problems: Problems): void {
  const { path, facts } = item
  if (failure !== null) problems.addError(path, failure)
  else if (entry === null) problems.add(path, 'has no metadata')
  else {
    const isFile = facts.type === 'file'
    if (entry.node !== null && isFile && facts.size > 0) problems.add(path, 'is a node by its metadata, and not empty')
    if (entry.node !== null && (facts.type === 'directory' || facts.type === 'symlink')) {
      problems.add(path, `is a ${facts.type}, and a node by its metadata`)
    }
    checkRights(item.facts.uid, entry, path, problems)
  }
}

/** Only root may make devices and give files away. */
function checkRights(uid: number, entry: NonNullable<Inspected['entry']>, path: Buffer, problems: Problems): void {
  const euid = process.geteuid?.() ?? 0
  if (euid === 0) return
  if (uid !== euid || entry.uid !== euid) problems.add(path, `only root may give it to user ${entry.uid}`)
  else if (entry.node?.letter === 'c' || entry.node?.letter === 'b') problems.add(path, 'only root may make a device')
}

/** The names of one file can have but one owner and mode. */
function checkNames({ item, entry }: Inspected, entriesOf: Map<string, Inspected['entry']>, problems: Problems): void {
  const { nlink, type, device, inode } = item.facts
  if (nlink < 2 || type === 'directory') return
  const key = `${device}:${inode}`
  const first = entriesOf.get(key)
  if (first === undefined) entriesOf.set(key, entry)
  else if (JSON.stringify(first) !== JSON.stringify(entry)) {
    problems.add(item.path, 'has other metadata than another name of the same file')
  }
}
