import { hasCode } from '../../../errors.js'
import type { ManifestItem, ReadOptions } from '../../../formats/manifest/index.js'
import { readMtreeItems } from '../../../formats/mtree/reader.js'
import type { FindOwner, MtreeTree } from '../../../formats/mtree/tree.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import { lookUpId } from '../../../machine/programs/user-names.js'
import type { ContentTree } from '../../source/content-tree.js'
import type { StreamSource } from '../kind.js'
import { DigestCheck } from './check-digests.js'

export const mtreeSource = { needsTree: true, read: readMtreeTree } as const satisfies StreamSource

type TreeFile = ReturnType<ContentTree['file']>

/**
 * Read mtree text, with the content that the tree has under the same names, or where the text says.
 *
 * @throws UmlcowError INPUT_CHANGED when a size or a digest of the text differs, and the errors of `readMtree`
 */
async function* readMtreeTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  // Keep the file that was looked up for its size, so that its content needs no second look.
  const last: { file: TreeFile | null } = { file: null }
  const digests = new DigestCheck(options)
  const items = readMtreeItems(source, { ...options, tree: treeOf(tree, last), findOwner })
  for await (const item of items) {
    const { entry, contentPath } = item
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null
    const file = hasContent ? (last.file ?? tree.file(asBuffer(contentPath))) : null
    last.file = null
    yield { entry, content: file === null ? null : digests.checked(item, file.content) }
  }
}

function treeOf(tree: ContentTree, last: { file: TreeFile | null }): MtreeTree {
  return {
    find: (path) => tree.find(asBuffer(path)),
    file(path) {
      last.file = tree.file(asBuffer(path))
      return last.file.facts
    },
    describe(path) {
      const facts = tree.find(asBuffer(path))
      return facts === null ? null : tree.entry(asBuffer(path), facts)
    },
  }
}

const findOwner: FindOwner = async (kind, name) => {
  try {
    return await lookUpId(kind, name)
  } catch (error) {
    if (hasCode(error, 'UNKNOWN_USER', 'UNKNOWN_GROUP')) return null
    throw error
  }
}
