import { UmlcowError } from '../../../errors.js'
import { type ReadOptions, warnOf } from '../../../formats/manifest/archive-error.js'
import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { pathKey } from '../../../formats/manifest/path.js'
import {
  type SquashfsDefinition,
  SquashfsPseudoReader,
  type SquashfsReadOptions,
} from '../../../formats/squashfs-pseudo/index.js'
import { createOwnerLookup } from '../../../machine/programs/owner-lookup.js'
import type { ContentTree } from '../../source/content-tree.js'
import type { StreamSource } from '../kind.js'
import { Changes } from './changes.js'
import { collectDefinitions, type Defined } from './definitions.js'
import { newEntries } from './new-entries.js'

export const squashfsSource = { needsTree: 'optional', read: readSquashfsTree } as const satisfies StreamSource

/**
 * Read a tree as mksquashfs packs it with a pseudo file. The file changes owners and modes of names in the tree, and
 * defines further names. As in mksquashfs, a definition of an existing name counts only if it is a change (`m`). It
 * counts for every name of that file.
 *
 * @param tree  null when the pseudo file defines all; it then has to define the top
 * @throws      UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE, UNKNOWN_USER,
 *              UNKNOWN_GROUP, USAGE when there must be a tree
 */
export async function* readSquashfsTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree | null,
  options: SquashfsReadOptions,
): AsyncGenerator<ManifestItem> {
  const { name = 'squashfs pseudo file', lookUpOwner = createOwnerLookup() } = options
  const reader = new SquashfsPseudoReader(source, { ...options, name, lookUpOwner })
  try {
    const definitions = await collectDefinitions(reader.lines(), name, options)
    if (tree === null) refuseWithoutTop(definitions, name)
    else yield* changedNames(tree, definitions, name, options)
    yield* newEntries(withoutChanges(definitions, options), reader, name)
    await reader.finish()
  } finally {
    await reader.close()
  }
}

/** Refuse a pseudo file that describes the files of a tree. */
function refuseWithoutTop(definitions: ReadonlyMap<string, Defined>, name: string): void {
  const top = definitions.get('')
  if (top?.kind === 'definition' && top.type === 'directory') return
  throw new UmlcowError('USAGE', `${name}: does not define the top "/": --tree DIR says where the files lie`)
}

/** List the names of the tree, and remove their definitions. */
async function* changedNames(
  tree: ContentTree,
  definitions: Map<string, Defined>,
  name: string,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  const changes = new Changes(tree, definitions, name)
  for await (const { entry, facts, content } of tree.names()) {
    const key = pathKey(entry.path)
    const own = definitions.get(key)
    const change = changes.of(facts, own)
    definitions.delete(key)
    if (own !== undefined && (own.kind === 'link' || own.type !== null)) {
      warnOf(options, own.path, 'is in the tree: left as it is')
    }
    yield { entry: change === null ? entry : changed(entry, change), content }
  }
}

/** Leave out the definitions that change nothing. */
function* withoutChanges(definitions: ReadonlyMap<string, Defined>, options: ReadOptions): Generator<Defined> {
  for (const one of definitions.values()) {
    if (one.kind === 'link' || one.type !== null) yield one
    else warnOf(options, one.path, 'is not in the tree: nothing to change')
  }
}

function changed(entry: ManifestEntry, { mode, uid, gid, mtimeNs }: SquashfsDefinition): ManifestEntry {
  return { ...entry, mode, uid, gid, mtimeNs: mtimeNs ?? entry.mtimeNs }
}
