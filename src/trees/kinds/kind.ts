import type { ReadOptions } from '../../formats/manifest/archive-error.js'
import type { EntryType, ManifestEntry, ManifestItem, WriteOptions } from '../../formats/manifest/index.js'
import type { HostPath } from '../../machine/host-files.js'
import type { NewTreeOptions } from '../new-tree/new-tree.js'
import type { ContentTree } from '../source/content-tree.js'
import type { SourceItem, TreeSource } from '../source/tree-source.js'
import type { SourceOptions } from '../tree-options.js'

type Bytes = AsyncIterable<Uint8Array>
type Items = AsyncIterable<ManifestItem>

/** Reads a tree from a stream of bytes. A format without content takes it from a tree of files. */
export type StreamSource =
  | {
      readonly needsTree: false
      readonly read: (source: Bytes, options: ReadOptions) => Items
    }
  | {
      readonly needsTree: true
      readonly read: (source: Bytes, tree: ContentTree, options: ReadOptions) => Items
    }
  | {
      /** The stream may hold the content of all files. */
      readonly needsTree: 'optional'
      readonly read: (source: Bytes, tree: ContentTree | null, options: ReadOptions) => Items
    }

/** Writes a tree as a stream of bytes. */
export interface StreamSink {
  /** The stream also holds the content of files. */
  readonly hasContent: boolean
  /**
   * The tree is made anew from the stream. The other formats describe the files, which keep what the stream cannot hold.
   */
  readonly isCopy: boolean
  /** The stream is plain text that is safe on a terminal. */
  readonly isText: boolean
  /** @throws UmlcowError ENTRY_UNFIT when the format cannot hold it */
  check(entry: ManifestEntry, hostType: EntryType | null): void
  write(items: AsyncIterable<SourceItem>, options: WriteOptions): AsyncGenerator<Uint8Array>
}

/** A kind of tree that is one stream: an archive, or a manifest beside the files. */
export interface StreamKind {
  readonly source: StreamSource
  readonly sink: StreamSink
}

/** The result of every new tree. */
export interface MadeTree {
  readonly directory: string
  readonly entries: number
  readonly warnings: readonly string[]
}

/** A kind of tree that is a directory. */
export interface TreeKind {
  readonly source: (directory: string | URL, options: SourceOptions) => TreeSource
  /** Makes a new directory from items. */
  readonly sink?: (items: Items, place: HostPath | URL, options: NewTreeOptions) => Promise<MadeTree>
}
