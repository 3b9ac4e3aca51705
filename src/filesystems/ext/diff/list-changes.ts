import { latin1Text } from '../../../bytes/fast.js'
import { sortByBytes } from '../../../bytes/sort-by-bytes.js'
import type { ExtInode } from '../../../formats/ext/index.js'
import { type InodePair, pairOf } from './changed-inodes.js'
import { type ChangedName, findChangedNames, nameKey } from './changed-names.js'
import { compareContent } from './compare-content.js'
import { changedFields } from './compare-fields.js'
import type { ExtChange, ExtChangeStatus, ExtDiffOptions, ExtField, ExtFileChange } from './ext-differences.js'
import { findKnownNames, type KnownNames } from './known-names.js'
import { NameChanges } from './name-changes.js'
import { type Comparison, inodeInUse } from './side.js'

/** All that is known about the changed files. */
interface Scene {
  readonly comparison: Comparison
  readonly pairs: ReadonlyMap<number, InodePair>
  readonly changes: NameChanges
  readonly names: KnownNames
  /** Directories whose names changed: their mtime and link count follow from that. */
  readonly busy: ReadonlySet<number>
  readonly options: ExtDiffOptions
}

const unchanged: ExtFileChange = { fields: [], ranges: [], rangeCount: 0, isMoved: false }

/** List the changes of the files whose inodes or blocks changed, by path. @param pairs  gets those that names add */
export async function listChanges(
  comparison: Comparison,
  pairs: Map<number, InodePair>,
  options: ExtDiffOptions,
): Promise<ExtChange[]> {
  const names: ChangedName[] = []
  for (const pair of [...pairs.values()]) {
    const isDirectory = pair.old?.type === 'directory' || pair.now?.type === 'directory'
    if (isDirectory) for (const name of await findChangedNames(comparison, pair)) names.push(name)
  }
  for (const target of names.flatMap(({ old, now }) => [old, now])) {
    if (target === null || pairs.has(target.inode)) continue
    pairs.set(target.inode, await pairOf(comparison, target.inode, await inodeInUse(comparison.now, target.inode)))
  }
  const busy = new Set(names.flatMap(({ old, now }) => [old, now].map((target) => target?.directory ?? -1)))
  // What changed about the files decides which names must be found.
  const infos = new Map<number, ExtFileChange>()
  const byName = new NameChanges(pairs, names)
  for (const pair of pairs.values()) {
    if (pair.isSameFile) infos.set(pair.number, await fileChange({ comparison, changes: byName, busy, options }, pair))
  }
  const known = await findKnownNames(comparison, { pairs, names, infos, changes: byName })
  const all = [...joinByPath(names, known, pairs), ...known.takenOver]
  const scene: Scene = { comparison, pairs, names: known, busy, options, changes: new NameChanges(pairs, all) }
  const changes: ExtChange[] = []
  for (const pair of pairs.values()) {
    const found = pair.isSameFile
      ? changesOfFile(scene, pair, infos.get(pair.number)!)
      : [...deleted(scene, pair), ...(await added(scene, pair))]
    // One by one: a file may have more names than a call has arguments.
    for (const change of found) changes.push(change)
  }
  return sortByBytes(changes, ({ path }) => path)
}

/**
 * Join the old and the new file at a path whose directory was made anew. Other directories show by themselves which
 * names they kept.
 */
function joinByPath(
  names: readonly ChangedName[],
  { oldPath, newPath }: KnownNames,
  pairs: ReadonlyMap<number, InodePair>,
): ChangedName[] {
  const isNew = (directory: number) => pairs.get(directory)?.isSameFile !== true
  const lost = new Map<string, ChangedName>()
  for (const one of names) {
    if (one.old !== null && one.now === null && isNew(one.old.directory)) lost.set(latin1Text(oldPath(one)), one)
  }
  const joined = new Set<ChangedName>()
  const all = names.map((one) => {
    if (lost.size === 0 || one.now === null || one.old !== null || !isNew(one.now.directory)) return one
    const before = lost.get(latin1Text(newPath(one)))
    if (before === undefined) return one
    joined.add(before)
    return { ...one, old: before.old }
  })
  return joined.size === 0 ? all : all.filter((one) => !joined.has(one))
}

/** Compare a file with itself. What follows from changed names is no change of its own. */
async function fileChange(
  { comparison, changes, busy, options }: Pick<Scene, 'comparison' | 'changes' | 'busy' | 'options'>,
  { number, old, now }: InodePair,
): Promise<ExtFileChange> {
  const implied: ExtField[] = busy.has(number) ? ['mtime', 'links', 'ctime'] : []
  const [gained, lost] = [changes.gainedBy(number), changes.lostBy(number)]
  // A lost name that another file has now is a change of that file: it does not show what this one lost.
  const isHidden = lost.length > gained.length && lost.some((name) => name.now !== null)
  if (gained.length + lost.length > 0 && !isHidden) implied.push('links')
  return compareFiles(comparison, old!, now!, { options, implied })
}

async function compareFiles(
  comparison: Comparison,
  old: ExtInode,
  now: ExtInode,
  { options, implied }: { options: ExtDiffOptions; implied: readonly ExtField[] },
): Promise<ExtFileChange> {
  const fields = (await changedFields(comparison, old, now, options)).filter((field) => !implied.includes(field))
  return { fields, ...(await compareContent(comparison, old, now)) }
}

/** The status of a file that kept its name; null when nothing changed. */
function statusOf({ fields, ranges, isMoved }: ExtFileChange): ExtChangeStatus | null {
  if (ranges.length > 0) return 'modified'
  if (fields.length > 0) return 'metadata'
  return isMoved ? 'moved' : null
}

interface Event {
  readonly status: ExtChangeStatus
  readonly path: Uint8Array
  readonly oldPath?: Uint8Array | null
  readonly old: ExtInode | null
  readonly now: ExtInode | null
  readonly replaces?: boolean
  readonly info?: ExtFileChange
}

function changeOf({ status, path, oldPath = null, old, now, replaces = false, info = unchanged }: Event): ExtChange {
  return {
    status,
    path,
    oldPath,
    oldInode: old?.number ?? null,
    newInode: now?.number ?? null,
    oldType: old?.type ?? null,
    newType: now?.type ?? null,
    oldSize: old?.size ?? null,
    newSize: now?.size ?? null,
    replaces,
    ...info,
  }
}

/** List the changes of a file that is there on both sides: by its new names, its old ones, and its content. */
function changesOfFile({ changes, names }: Scene, pair: InodePair, info: ExtFileChange): ExtChange[] {
  const { number, old, now } = pair
  const gained = sortByBytes(changes.gainedBy(number), (name) => names.newPath(name))
  const lost = sortByBytes(changes.lostBy(number), (name) => names.oldPath(name))
  const isGained = new Set(gained.map(({ name, now: target }) => nameKey(target!.directory, name)))
  const kept = names.newNames(number).filter(({ directory, name }) => !isGained.has(nameKey(directory, name)))
  const found: ExtChange[] = []
  const status = statusOf(info)
  if (status !== null) for (const { path } of kept) found.push(changeOf({ status, path, old, now, info }))
  for (const [i, name] of gained.entries()) {
    const from = lost[i]
    const replaces = name.old !== null
    const path = names.newPath(name)
    const other = kept[0]?.path ?? null
    if (from === undefined) found.push(changeOf({ status: 'linked', path, oldPath: other, old, now, replaces }))
    else found.push(changeOf({ status: 'renamed', path, oldPath: names.oldPath(from), old, now, replaces, info }))
  }
  for (const name of lost.slice(gained.length)) {
    // Without a name, what is left of a file is no file any more.
    const isGone = kept.length + gained.length === 0
    const end = isGone ? { status: 'deleted' as const, now: null } : { status: 'unlinked' as const, now }
    if (name.now === null) found.push(changeOf({ ...end, path: names.oldPath(name), old }))
  }
  return found
}

/** The names of a file that is gone. A name that another file has now is a change of that file. */
function deleted({ changes, names }: Scene, { number, old }: InodePair): ExtChange[] {
  const gone = changes.lostBy(number).filter((name) => name.now === null)
  return gone.map((name) => changeOf({ status: 'deleted', path: names.oldPath(name), old, now: null }))
}

/** The names of a new file: added, or taken over from another file. */
async function added(scene: Scene, { number, now }: InodePair): Promise<ExtChange[]> {
  const { changes, names, pairs, comparison, options } = scene
  const found: ExtChange[] = []
  for (const name of changes.gainedBy(number)) {
    const path = names.newPath(name)
    const old = name.old === null ? null : (pairs.get(name.old.inode)?.old ?? null)
    if (old === null || now === null) found.push(changeOf({ status: 'added', path, old: null, now }))
    else if (old.type !== now.type) found.push(changeOf({ status: 'type', path, old, now, replaces: true }))
    else {
      const info = await compareFiles(comparison, old, now, { options, implied: [] })
      const status = statusOf(info)
      if (status !== null) found.push(changeOf({ status, path, old, now, replaces: true, info }))
    }
  }
  return found
}
