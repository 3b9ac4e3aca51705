import type { ExtGroup } from '../../formats/ext/group-descriptor.js'
import type { ExtInode } from '../../formats/ext/inode.js'
import type { ExtSuperblock } from '../../formats/ext/superblock.js'
import type { EntryType, ExtendedAttribute } from '../../formats/manifest/index.js'
import type { Image } from '../../images/image.js'
import type { ExtFinding } from './findings.js'
import type { ExtVolume } from './volume.js'

/** How to open a file system. */
export interface ExtOptions {
  /**
   * Read the file system as it is after its journal was replayed, which a guest that was killed leaves behind. Nothing
   * is written. False: read the disk as it is. Default: true
   */
  readonly replay?: boolean
  /**
   * What to do about a wrong checksum. `refuse` throws FS_DAMAGED. `report` adds it to the findings, and uses the
   * structure as it is. Default: refuse
   */
  readonly damage?: 'refuse' | 'report'
}

/** One name in a directory. */
export interface ExtName {
  /** Bytes, never text; in an encrypted directory the encrypted name. Never empty, and never `.` or `..`. */
  readonly name: Uint8Array
  readonly inode: number
  /** As the directory has it; null when it does not, as on old file systems. The inode decides. */
  readonly type: EntryType | null
}

/** Chooses names of a directory by what they lead to. */
export type ExtNameFilter = (inode: number, type: EntryType | null) => boolean

/** Consecutive blocks of a file. All numbers are blocks of the file system. */
export interface ExtExtent {
  /** First block within the file. */
  readonly logical: number
  /** Where the data is: the first block within the file system. Null: the blocks read as zeros. */
  readonly physical: number | null
  readonly length: number
  /** The first of the blocks that the file has reserved but not written; null for data and for holes. */
  readonly unwrittenAt: number | null
}

/** What the reader made of the journal. */
export interface ExtJournal {
  /**
   * `clean`: the file system was unmounted, so its journal holds nothing. `replayed`: it was not, and the reader shows
   * it after the replay of the journal. `not-replayed`: the reader shows the disk as it is, because the caller asked
   * for it, or because the journal is damaged and damage is reported.
   */
  readonly state: 'none' | 'clean' | 'replayed' | 'not-replayed'
  /** Transactions that were replayed. */
  readonly transactionCount: number
  /** Blocks of the file system that were replayed, ascending. */
  readonly blocks: Float64Array
}

export interface ExtentOptions {
  /** Is called with each block of the file system that holds a part of the map: extent nodes and indirect blocks. */
  readonly onMapBlock?: (block: number) => void
}

/**
 * An ext2, ext3 or ext4 file system, to read only. `openExt` makes it.
 *
 * Iterators give arrays, one for each block or batch: for a million items, promises would take longer than the reads.
 * All methods throw UmlcowError FS_DAMAGED when a structure cannot be right.
 */
export interface ExtFileSystem {
  readonly superblock: ExtSuperblock
  /** The superblock before the replay of the journal. */
  readonly superblockOnDisk: ExtSuperblock
  /** What a report should say. Reading adds to it; at most 1000 findings are kept. */
  readonly findings: readonly ExtFinding[]
  readonly journal: ExtJournal
  /** Inodes that were deleted or truncated while open, before the work was done; at most 1000 of them. */
  readonly orphans: readonly number[]
  /** The bytes that the file system is read from: after the replay of the journal. */
  readonly image: Image
  /** What the reader itself reads with: blocks of metadata, descriptors, and what it finds wrong with them. */
  readonly volume: ExtVolume
  /** Read an inode. A free inode has the link count 0. */
  inode(number: number): Promise<ExtInode>
  /** Read many inodes, with a wait for each read of the image only. @returns  in the order of the numbers */
  inodesOf(numbers: readonly number[]): Promise<readonly ExtInode[]>
  /**
   * List a directory, in the order on the disk, without `.` and `..`. In a damaged file system a directory may lead back
   * to one above it: a walk must remember which directories it has seen.
   *
   * @param isWanted  chooses names before they are copied: a walk for a few names among millions takes a fraction
   */
  entries(directory: ExtInode, isWanted?: ExtNameFilter): AsyncIterable<readonly ExtName[]>
  /**
   * List where the blocks of a file are, in order. The extents tile the file from block 0 to its end, and go on to the
   * last block that it has beyond its end. Empty for inline data, fast symlinks and devices.
   */
  extents(inode: ExtInode, options?: ExtentOptions): AsyncIterable<readonly ExtExtent[]>
  /**
   * Fill `target` with the content of a file from `offset` on.
   *
   * @returns  how many bytes; fewer than `target` has at the end of the file only
   * @throws   UmlcowError FS_UNSUPPORTED when the content is encrypted
   */
  read(inode: ExtInode, offset: number, target: Uint8Array): Promise<number>
  /** Read the target of a symbolic link. */
  readLink(inode: ExtInode): Promise<Uint8Array>
  /** Read the extended attributes: full names, ACLs as the kernel gives them to programs. Sorted as on the disk. */
  attributes(inode: ExtInode): Promise<readonly ExtendedAttribute[]>
  /**
   * Find a file by its path from the root directory. Symbolic links on the way resolve inside the file system. Names are
   * compared byte for byte, also where the kernel would ignore case.
   *
   * @throws UmlcowError FS_NOT_FOUND when there is no such file, or more than 40 links
   */
  lookup(path: Uint8Array, options?: { readonly followLast?: boolean }): Promise<ExtInode>
  /** Read the descriptors of all groups, in batches and in order. */
  groups(): AsyncIterable<readonly ExtGroup[]>
  /** Read all inodes that are in use, in batches and in order, also the reserved ones. */
  inodes(): AsyncIterable<readonly ExtInode[]>
}
