import { type ReadOptions, shownPath } from '../../../formats/manifest/archive-error.js'
import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { pathKey } from '../../../formats/manifest/path.js'
import { readSquashfsPseudo, type SquashfsDefinition } from '../../../formats/squashfs-pseudo/index.js'
import type { ContentTree } from '../../source/content-tree.js'
import type { StreamSource } from '../kind.js'

export const squashfsSource = { needsTree: true, read: readSquashfsTree } as const satisfies StreamSource

/**
 * Read a tree as mksquashfs packs it with a pseudo file. The file changes owners and modes of names in the tree, and
 * defines further names. As in mksquashfs, a definition of an existing name counts only if it is a change (`m`).
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE
 */
async function* readSquashfsTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  const definitions = new Map<string, SquashfsDefinition>()
  for await (const definition of readSquashfsPseudo(source, options)) {
    const key = pathKey(definition.path)
    // The first of two definitions of one name counts.
    if (!definitions.has(key)) definitions.set(key, definition)
  }
  for await (const { entry, content } of tree.names()) {
    const key = pathKey(entry.path)
    const definition = definitions.get(key)
    definitions.delete(key)
    if (definition !== undefined && definition.type !== null) warn(options, definition, 'is in the tree: left as it is')
    yield { entry: definition?.type === null ? changed(entry, definition) : entry, content }
  }
  for (const definition of definitions.values()) {
    if (definition.type === null) warn(options, definition, 'is not in the tree: nothing to change')
    else yield { entry: made(definition, definition.type), content: null }
  }
}

function changed(entry: ManifestEntry, { mode, uid, gid, mtimeNs }: SquashfsDefinition): ManifestEntry {
  return { ...entry, mode, uid, gid, mtimeNs: mtimeNs ?? entry.mtimeNs }
}

function made(definition: SquashfsDefinition, type: ManifestEntry['type']): ManifestEntry {
  const { path, uid, gid, device, linkTarget, mtimeNs } = definition
  // The permissions of a link are always 0777.
  const mode = type === 'symlink' ? 0o777 : definition.mode
  const now = BigInt(Date.now()) * 1_000_000n
  return {
    path,
    type,
    mode,
    uid,
    gid,
    device,
    linkTarget,
    hardLinkTo: null,
    size: 0,
    mtimeNs: mtimeNs ?? now,
    xattrs: null,
  }
}

function warn({ onWarning }: ReadOptions, { path }: SquashfsDefinition, what: string): void {
  onWarning?.(`${shownPath(path)}: ${what}`)
}
