import type { EntryType } from '../../../formats/manifest/index.js'
import type { ByteRange } from '../../../images/compare-ranges.js'

/** What a block of the file system is for, in the new file system. */
export type ExtBlockClass =
  | 'superblocks'
  | 'descriptors'
  | 'bitmaps'
  | 'inodeTables'
  | 'journal'
  | 'directories'
  | 'maps'
  | 'attributes'
  | 'fileData'
  | 'orphanFile'
  | 'resizeInode'
  | 'other'
  | 'free'
  | 'outside'

/**
 * What happened at a path. `linked` and `unlinked`: a file got or lost a name, and has others. `type`: another file of
 * another type has this name. `moved`: the content is the same, in other blocks.
 */
export type ExtChangeStatus =
  | 'added'
  | 'deleted'
  | 'modified'
  | 'metadata'
  | 'renamed'
  | 'linked'
  | 'unlinked'
  | 'type'
  | 'moved'

/** Facts of a file that can change. */
export type ExtField =
  | 'mode'
  | 'uid'
  | 'gid'
  | 'project'
  | 'size'
  | 'mtime'
  | 'atime'
  | 'ctime'
  | 'links'
  | 'flags'
  | 'device'
  | 'attributes'

/** What changed about a file, wherever its names are. */
export interface ExtFileChange {
  readonly fields: readonly ExtField[]
  /**
   * The content of a file, or the target of a link, changed here. Bytes of the file, half-open and in order, from the
   * first to the last byte that differs in a stretch of blocks that differ. Bytes that only one of the files has count.
   * At most the first 10,000 of them.
   */
  readonly ranges: readonly ByteRange[]
  /** How many ranges there are. */
  readonly rangeCount: number
  /** Some content is the same, in other blocks. */
  readonly isMoved: boolean
}

/** One changed path. */
export interface ExtChange extends ExtFileChange {
  readonly status: ExtChangeStatus
  /** From the root directory, without a slash at either end; the old one of what was deleted. Empty for the root. */
  readonly path: Uint8Array
  /** Of `renamed`: the path before. Of `linked`: another name of the file, if one is known. */
  readonly oldPath: Uint8Array | null
  /** In the old and in the new file system; null where the file is not there. */
  readonly oldInode: number | null
  readonly newInode: number | null
  readonly oldType: EntryType | null
  readonly newType: EntryType | null
  readonly oldSize: number | null
  readonly newSize: number | null
  /** Another file had this name before. */
  readonly replaces: boolean
}

/** How two file systems differ. */
export interface ExtDifferences {
  /**
   * `new`: the file systems have nothing in common, because their UUIDs or their layouts differ, so there are no changes.
   * `grown` and `shrunk`: the same file system with another number of blocks.
   */
  readonly kind: 'same' | 'grown' | 'shrunk' | 'new'
  /** Sorted by path, byte by byte. */
  readonly changes: readonly ExtChange[]
  /** Bytes of the blocks that differ, in whole blocks. */
  readonly changedLength: number
  /** The same bytes by what they are for: together `changedLength`. */
  readonly classes: Readonly<Record<ExtBlockClass, number>>
  /** Bytes of the blocks that were compared and are equal. */
  readonly sameLength: number
}

export interface ExtDiffOptions {
  /** A change of the atime or the ctime alone is a change. */
  readonly atime?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}
