import type { Stretches } from '../../bytes/stretch-list.js'

/** What a name in a tree stands for. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket'

/** The number of a device. Linux keeps 12 bits of the major number and 20 bits of the minor number. */
export interface DeviceNumber {
  readonly major: number
  readonly minor: number
}

/** One extended attribute of a file. */
export interface ExtendedAttribute {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/**
 * One name of a tree, with all the ownership metadata that any of the formats can hold. Names are bytes, never text.
 *
 * A manifest is a sequence of entries. A directory comes before its contents, and the first name of a file before its
 * further names.
 */
export interface ManifestEntry {
  /** Relative to the top of the tree, without `./`, `..` or a slash at either end; empty for the top itself. */
  readonly path: Uint8Array
  readonly type: EntryType
  /** 0 to 07777: permissions, setuid, setgid and sticky. */
  readonly mode: number
  /** 0 to 2^32 - 1. */
  readonly uid: number
  readonly gid: number
  /** The device number of `character` and `block`; null for all others. */
  readonly device: DeviceNumber | null
  /** The target of `symlink`, unchanged; null for all others. */
  readonly linkTarget: Uint8Array | null
  /** For a further name of a file, the path of its first name. All fields but `path` are the same there. Else null. */
  readonly hardLinkTo: Uint8Array | null
  /** Bytes of a file; 0 for all others. */
  readonly size: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Null when they are unknown. */
  readonly xattrs: readonly ExtendedAttribute[] | null
  /**
   * How many names the file has (`st_nlink`), where the source knows it. Writers of formats with a link count take it
   * from the first name. Without it they remember every name. Readers do not set it.
   */
  readonly linkCount?: number | undefined
}

/** The content of a file with holes. */
export interface SparseBytes {
  readonly stretches: Stretches
  /** The bytes of all stretches, one after another. A piece may reach from one stretch into the next. */
  readonly data: AsyncIterable<Uint8Array>
}

/** The content of a file, in pieces. The next piece may overwrite the memory of the last one. */
export interface ItemContent extends AsyncIterable<Uint8Array> {
  /**
   * Reads all bytes at once, where the source can do that without a wait and the file is small: for a million small
   * files, it takes a third of the time of an iterator. The next read may overwrite the memory.
   *
   * @returns null where the caller must iterate
   */
  whole?(): Uint8Array | null
  /** The content without its holes, where the source knows them. Read either this or the pieces. */
  readonly sparse?: SparseBytes
}

/** An entry, and the content of a file. */
export interface ManifestItem {
  readonly entry: ManifestEntry
  /** `entry.size` bytes. Read them before you ask for the next item. Null for all but the first name of a file. */
  readonly content: ItemContent | null
}
