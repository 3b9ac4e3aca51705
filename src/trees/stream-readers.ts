import { readCpio } from '../formats/cpio/index.js'
import { type ManifestItem, type ReadOptions, readMtree } from '../formats/manifest/index.js'
import { readTar } from '../formats/tar/index.js'
import type { ContentTree } from './content-tree.js'
import { readFakerootTree } from './fakeroot-reader.js'
import { readSquashfsTree } from './squashfs-reader.js'
import type { StreamFormat } from './stream-formats.js'

type Bytes = AsyncIterable<Uint8Array>

/** How a format is read: those without content of their own take it from a tree. */
export type StreamReader =
  | {
      readonly needsTree: false
      readonly read: (source: Bytes, options: ReadOptions) => AsyncIterable<ManifestItem>
    }
  | {
      readonly needsTree: true
      readonly read: (source: Bytes, tree: ContentTree, options: ReadOptions) => AsyncIterable<ManifestItem>
    }

export const streamReaders = {
  tar: { needsTree: false, read: readTar },
  cpio: { needsTree: false, read: readCpio },
  mtree: { needsTree: true, read: readMtreeTree },
  fakeroot: { needsTree: true, read: readFakerootTree },
  squashfs: { needsTree: true, read: readSquashfsTree },
} as const satisfies Record<StreamFormat, StreamReader>

/** The entries of mtree text, with the content that the tree has under the same names. */
async function* readMtreeTree(source: Bytes, tree: ContentTree, options: ReadOptions): AsyncGenerator<ManifestItem> {
  const sizeOf = (path: Buffer) => tree.file(path).facts.size
  for await (const entry of readMtree(source, { ...options, sizeOf })) {
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null
    yield { entry, content: hasContent ? tree.file(entry.path).content : null }
  }
}
