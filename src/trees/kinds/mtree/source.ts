import { type ManifestItem, type ReadOptions, readMtree } from '../../../formats/manifest/index.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import type { ContentTree } from '../../source/content-tree.js'
import type { StreamSource } from '../kind.js'

export const mtreeSource = { needsTree: true, read: readMtreeTree } as const satisfies StreamSource

/** Read mtree text, with the content that the tree has under the same names. */
async function* readMtreeTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  // Keep the file that was looked up for its size, so that its content needs no second look.
  const sized: { file: ReturnType<ContentTree['file']> | null } = { file: null }
  const sizeOf = (path: Uint8Array) => {
    sized.file = tree.file(asBuffer(path))
    return sized.file.facts.size
  }
  for await (const entry of readMtree(source, { ...options, sizeOf })) {
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null
    const file = hasContent ? (sized.file ?? tree.file(asBuffer(entry.path))) : null
    sized.file = null
    yield { entry, content: file?.content ?? null }
  }
}
