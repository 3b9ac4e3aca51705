/** What a name in a tree is. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket'

/** Linux keeps 12 bits of the major number and 20 of the minor one. */
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
 * A manifest is a sequence of them: a directory stands before what it holds, and the first name of a file before its
 * further ones.
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
  /** Of `character` and `block`; null for all others. */
  readonly device: DeviceNumber | null
  /** Of `symlink`, as it stands; null for all others. */
  readonly linkTarget: Uint8Array | null
  /** Of a further name of a file: the path of its first name. Everything but `path` is as it is there. */
  readonly hardLinkTo: Uint8Array | null
  /** Bytes of a file; 0 for all others. */
  readonly size: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Null where nobody knows them. */
  readonly xattrs: readonly ExtendedAttribute[] | null
  /**
   * How many names the file has, where the source knows (`st_nlink`). Archives that store the count take it from the
   * first name; without it their writers remember every name. Readers do not set it.
   */
  readonly linkCount?: number | undefined
}

/** An entry, and the bytes if it is a file. */
export interface ManifestItem {
  readonly entry: ManifestEntry
  /** `entry.size` bytes, to be read before the next item is asked for; null for all but the first name of a file. */
  readonly content: AsyncIterable<Uint8Array> | null
}
