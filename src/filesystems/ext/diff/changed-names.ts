import { latin1Bytes, latin1Text } from '../../../bytes/fast.js'
import type { ExtInode } from '../../../formats/ext/index.js'
import type { InodePair } from './changed-inodes.js'
import type { Comparison, Side } from './side.js'

/** A name in a directory that leads to another inode than before, or appeared, or went away. */
export interface ChangedName {
  readonly name: Uint8Array
  /** The directory in the old file system, and the inode that it gave the name; null: it had no such name. */
  readonly old: NameTarget | null
  readonly now: NameTarget | null
}

export interface NameTarget {
  readonly directory: number
  readonly inode: number
}

/** A name in a directory, as a key. */
export function nameKey(directory: number, name: Uint8Array): string {
  return `${directory}/${latin1Text(name)}`
}

/** Compare the names in a directory. A directory that is not the same file on both sides has no names in common. */
export async function findChangedNames(comparison: Comparison, pair: InodePair): Promise<ChangedName[]> {
  const { number, old, now, isSameFile } = pair
  const before = old?.type === 'directory' ? await namesOf(comparison.old, old) : null
  const after = now?.type === 'directory' ? await namesOf(comparison.now, now) : null
  const found: ChangedName[] = []
  const targetOf = (inode: number | undefined) => (inode === undefined ? null : { directory: number, inode })
  const add = (key: string, oldInode: number | undefined, newInode: number | undefined) =>
    found.push({ name: latin1Bytes(key), old: targetOf(oldInode), now: targetOf(newInode) })
  for (const [key, inode] of before ?? []) {
    const other = isSameFile ? after?.get(key) : undefined
    if (other !== inode) add(key, inode, other)
  }
  for (const [key, inode] of after ?? []) {
    if (!isSameFile || !before?.has(key)) add(key, undefined, inode)
  }
  return found
}

async function namesOf({ files }: Side, directory: ExtInode): Promise<Map<string, number>> {
  const names = new Map<string, number>()
  for await (const batch of files.entries(directory)) {
    for (const { name, inode } of batch) names.set(latin1Text(name), inode)
  }
  return names
}
