import type { EntryType, ManifestEntry } from '../manifest/entry.js'

/** A name of the tree that mtree text describes. */
export interface MtreeFile {
  readonly type: EntryType
  readonly size: number
  readonly device: bigint
  readonly inode: bigint
  readonly nlink: number
}

/** The attributes of a name that both the text and the tree can say. */
export type MtreeAttributes = Pick<ManifestEntry, 'type' | 'mode' | 'uid' | 'gid' | 'device' | 'linkTarget' | 'mtimeNs'>

/** The tree that mtree text describes. Paths are those of `ManifestEntry`. No method follows a link. */
export interface MtreeTree {
  /** Finds a name; null when it is missing, or lies behind a link. */
  find(path: Uint8Array): MtreeFile | null
  /** Finds a regular file. @throws UmlcowError UNSAFE_PATH behind a link, ENTRY_UNFIT when it is missing or no file */
  file(path: Uint8Array): MtreeFile
  /** Describes a name as the host shows it; null when `find` would not find it. */
  describe(path: Uint8Array): MtreeAttributes | null
}

/** Finds the number of a user or group; null when the host does not know the name. */
export type FindOwner = (kind: 'user' | 'group', name: string) => Promise<number | null>
