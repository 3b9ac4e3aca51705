import { metadataLine } from '../../../formats/humfs/metadata.js'
import type { Owner, TreeFiles } from '../../host/tree-files.js'
import { inTree } from '../../tree-path.js'
import { metadataOf, type NodeFacts } from './entry.js'
import type { ShadowTrees } from './paths.js'

/** Make the two mirrors of a directory of data. @param owner  null where we are that */
export function makeMirrors(files: TreeFiles, trees: ShadowTrees, path: Buffer, owner: Owner | null): void {
  for (const tree of [trees.fileMetadata, trees.dirMetadata]) {
    const mirror = inTree(tree, path)
    files.makeDirectory(mirror, 0o755)
    if (owner !== null) files.setOwner(mirror, owner)
  }
}

/** Write the entry of a name to its place. @throws UmlcowError HUMFS_ENTRY_TOO_LONG */
export function writeEntry(
  files: TreeFiles,
  place: Buffer,
  facts: NodeFacts,
  perlCompat: boolean,
  owner: Owner | null,
): void {
  files.writeNew(place, metadataLine(metadataOf(facts, perlCompat)), 0o644, owner)
}

/** What we make belongs to us already. */
export function foreignOwner({ uid, gid }: Owner): Owner | null {
  return uid === process.geteuid?.() && gid === process.getegid?.() ? null : { uid, gid }
}
