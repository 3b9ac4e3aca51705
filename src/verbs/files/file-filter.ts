import { matchesGlob } from '../../bytes/glob.js'
import type { ExtEntry, ExtFileSystem } from '../../filesystems/ext/index.js'
import type { ExtTime } from '../../formats/ext/index.js'
import type { EntryType } from '../../formats/manifest/index.js'

/** Which files to list, as find(1) selects them. A file must meet all conditions that are given. */
export interface FileConditions {
  readonly types?: readonly EntryType[] | undefined
  /** A pattern for the name: `*`, `?` and `[...]`, byte for byte. */
  readonly pattern?: string | Uint8Array | undefined
  /** Content that was modified after this time: seconds since 1970. */
  readonly newer?: number | undefined
  /** Content that was modified after that of this file of the file system. */
  readonly newerThan?: string | Uint8Array | undefined
}

export type FileFilter = (entry: ExtEntry) => boolean

/** Make the filter of some conditions; null when there are none. */
export async function makeFilter(files: ExtFileSystem, conditions: FileConditions): Promise<FileFilter | null> {
  const { types, pattern, newer, newerThan } = conditions
  const filters: FileFilter[] = []
  if (types !== undefined) filters.push(({ inode }) => inode.type !== null && types.includes(inode.type))
  if (pattern !== undefined) {
    const bytes = Buffer.from(pattern as Uint8Array)
    filters.push(({ name }) => matchesGlob(bytes, name))
  }
  if (newer !== undefined) filters.push(({ inode }) => isAfter(inode.mtime, timeOf(newer)))
  if (newerThan !== undefined) {
    const { mtime } = await files.lookup(Buffer.from(newerThan as Uint8Array))
    filters.push(({ inode }) => isAfter(inode.mtime, mtime))
  }
  return filters.length === 0 ? null : (entry) => filters.every((filter) => filter(entry))
}

function timeOf(seconds: number): ExtTime {
  const whole = Math.floor(seconds)
  return { seconds: whole, nanoseconds: Math.round((seconds - whole) * 1e9) }
}

function isAfter(a: ExtTime, b: ExtTime): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds)
}
