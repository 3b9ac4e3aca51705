import { metadataLine } from '../../../formats/humfs/metadata.js'
import type { Owner } from '../../host/tree-facts.js'
import type { TreeWriter } from '../../host/tree-writer.js'
import { inTree } from '../../tree-path.js'
import { metadataOf, type NodeFacts } from './entry.js'
import type { ShadowTrees } from './paths.js'

/** Make the two mirrors of a directory of data. @param owner  null if it is the user who runs umlcow */
export function makeMirrors(writer: TreeWriter, trees: ShadowTrees, path: Buffer, owner: Owner | null): void {
  for (const tree of [trees.fileMetadata, trees.dirMetadata]) {
    const mirror = inTree(tree, path)
    writer.makeDirectory(mirror, 0o755)
    if (owner !== null) writer.setOwner(mirror, owner)
  }
}

/**
 * Write the entry of a name to its place.
 *
 * @param umask  that of this process, if the caller knows it
 * @throws       UmlcowError HUMFS_ENTRY_TOO_LONG
 */
export function writeEntry(
  writer: TreeWriter,
  place: Buffer,
  facts: NodeFacts,
  perlCompat: boolean,
  owner: Owner | null,
  umask?: number,
): void {
  writer.writeNew(place, metadataLine(metadataOf(facts, perlCompat)), 0o644, owner, umask)
}

/** Find the owner to set on new files. @returns null if it is the user, who owns new files anyway */
export function foreignOwner({ uid, gid }: Owner, user: Owner): Owner | null {
  return uid === user.uid && gid === user.gid ? null : { uid, gid }
}
