import { serializeSuperblock } from '../../formats/humfs/superblock.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { HumfsifyTerms } from '../../trees/kinds/humfs/journal.js'
import { asideSuffix, superblockName, treeNames } from '../../trees/kinds/humfs/paths.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { shadowsInWork } from './build-shadow.js'

/** Move the old metadata aside, and the new trees to their place. */
export function placeShadow(work: Workspace, { aside }: Pick<HumfsifyTerms, 'aside'>): void {
  const { reader, writer, paths, options } = work
  for (const name of aside) {
    // If the new tree has left the work directory, the name is already that of the new tree.
    const isNew = name !== superblockName && reader.lstatOrNull(joinPath(paths.work, name)) === null
    if (!isNew) moveOnce(work, joinPath(paths.directory, name), `${name}${asideSuffix}`)
  }
  const shadows = shadowsInWork(work)
  for (const [i, from] of [shadows.fileMetadata, shadows.dirMetadata].entries()) {
    if (reader.lstatOrNull(from) !== null) writer.rename(from, joinPath(paths.directory, treeNames[i]!))
  }
  if (!options.noSync) writer.syncFile(paths.directory)
}

/** Move a file aside, unless a run that was cut short did so. The user may also have removed it since. */
function moveOnce({ reader, writer, paths }: Workspace, from: Buffer, name: string): void {
  const to = joinPath(paths.directory, name)
  if (reader.lstatOrNull(to) === null && reader.lstatOrNull(from) !== null) writer.rename(from, to)
}

/** Write the superblock. It appears last, after the rest of the tree. */
export function writeSuperblock({ reader, writer, paths, options }: Workspace, terms: HumfsifyTerms): void {
  const draft = joinPath(paths.work, superblockName)
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  writer.writeNew(draft, serializeSuperblock(terms), 0o644, terms.owner)
  if (!options.noSync) writer.syncFile(draft)
  writer.rename(draft, paths.superblock)
  if (!options.noSync) writer.syncFile(paths.directory)
}
