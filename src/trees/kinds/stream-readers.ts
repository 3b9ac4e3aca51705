import { readCpio } from '../../formats/cpio/index.js'
import { type ManifestItem, type ReadOptions, readMtree } from '../../formats/manifest/index.js'
import { readTar } from '../../formats/tar/index.js'
import type { ContentTree } from '../source/content-tree.js'
import { readFakerootTree } from './fakeroot/source.js'
import { readSquashfsTree } from './squashfs/source.js'
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
  // What was looked at for its size is not looked at again for its content.
  const sized: { file: ReturnType<ContentTree['file']> | null } = { file: null }
  const sizeOf = (path: Buffer) => {
    sized.file = tree.file(path)
    return sized.file.facts.size
  }
  for await (const entry of readMtree(source, { ...options, sizeOf })) {
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null
    const file = hasContent ? (sized.file ?? tree.file(entry.path)) : null
    sized.file = null
    yield { entry, content: file?.content ?? null }
  }
}
