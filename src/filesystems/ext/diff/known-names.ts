import { joinExtPath } from '../walk-directories.js'
import type { InodePair } from './changed-inodes.js'
import { type ChangedName, nameKey } from './changed-names.js'
import type { ExtFileChange } from './ext-differences.js'
import { findNames, type InodeName } from './find-names.js'
import type { NameChanges } from './name-changes.js'
import type { Comparison } from './side.js'

/** Paths for the report. */
export interface KnownNames {
  /** All names of a changed file in the new file system. */
  newNames(number: number): readonly InodeName[]
  newPath(name: ChangedName): Uint8Array
  oldPath(name: ChangedName): Uint8Array
  /** Names that did not change, but lead to another file: it has the inode number of the file before. */
  readonly takenOver: readonly ChangedName[]
}

interface Wanted {
  readonly pairs: ReadonlyMap<number, InodePair>
  readonly names: readonly ChangedName[]
  readonly infos: ReadonlyMap<number, ExtFileChange>
  readonly changes: NameChanges
}

/** Find the paths of all changed names and files, by at most one walk over each file system. */
export async function findKnownNames(comparison: Comparison, wanted: Wanted): Promise<KnownNames> {
  const { names } = wanted
  const inNew = new Map<number, number | null>()
  const inOld = new Map<number, number | null>()
  for (const { old, now } of names) {
    if (now !== null) inNew.set(now.directory, 1)
    if (old !== null && now === null) inOld.set(old.directory, 1)
  }
  const reused: number[] = []
  for (const pair of wanted.pairs.values()) {
    const linkCount = pair.now?.type === 'directory' ? 1 : (pair.now?.linkCount ?? null)
    if (isReused(pair)) reused.push(pair.number)
    if (isReused(pair) || needsNames(wanted, pair)) inNew.set(pair.number, linkCount)
    for (const name of wanted.changes.lostBy(pair.number)) inOld.set(name.old!.directory, 1)
  }
  const now = await findNames(comparison.now, inNew, comparison.signal)
  const old = await findNames(comparison.old, inOld, comparison.signal)
  const takenOver = new Map(reused.flatMap((number) => takenOverBy(number, now.get(number) ?? [], names)))
  return {
    newNames: (number) => now.get(number) ?? [],
    newPath: (name) => takenOver.get(name) ?? pathBelow(now, name.now!.directory, name.name),
    oldPath: (name) => pathBelow(old, name.old!.directory, name.name),
    takenOver: [...takenOver.keys()],
  }
}

/** The number of a deleted file went to a new one. */
function isReused({ old, now, isSameFile }: InodePair): boolean {
  return old !== null && now !== null && !isSameFile
}

function needsNames({ infos, changes }: Wanted, { number, isSameFile }: InodePair): boolean {
  if (!isSameFile) return false
  const { fields, ranges, isMoved } = infos.get(number)!
  const [gained, lost] = [changes.gainedBy(number).length, changes.lostBy(number).length]
  return fields.length > 0 || ranges.length > 0 || isMoved || gained > 0 || lost > gained
}

function takenOverBy(
  inode: number,
  found: readonly InodeName[],
  names: readonly ChangedName[],
): (readonly [ChangedName, path: Uint8Array])[] {
  const changed = new Set(names.flatMap(({ name, now }) => (now === null ? [] : [nameKey(now.directory, name)])))
  return found
    .filter(({ directory, name }) => !changed.has(nameKey(directory, name)))
    .map(({ directory, name, path }) => [{ name, old: { directory, inode }, now: { directory, inode } }, path])
}

/** No name leads to a directory that a damaged or a foreign program cut off: its number stands for its path. */
function pathBelow(found: ReadonlyMap<number, readonly InodeName[]>, directory: number, name: Uint8Array): Uint8Array {
  const path = found.get(directory)?.[0]?.path
  return path === undefined ? joinExtPath(new TextEncoder().encode(`<${directory}>`), name) : joinExtPath(path, name)
}
