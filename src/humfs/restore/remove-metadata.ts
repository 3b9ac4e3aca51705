import { joinPath } from '../../machine/path-bytes.js'
import type { HumfsifyTerms } from '../../trees/kinds/humfs/journal.js'
import { asideSuffix, goneName, superblockName, treeNames } from '../../trees/kinds/humfs/paths.js'
import { advanceJournal, endJournal, makeWorkDirectory, type Workspace } from '../../trees/kinds/humfs/workspace.js'

/** Move the metadata into the work directory, so that nothing ever reads a half of it as the whole. */
export function moveMetadata(work: Workspace): void {
  const { reader, writer, paths, options } = work
  const gone = joinPath(paths.work, goneName)
  makeWorkDirectory(work)
  if (reader.lstatOrNull(gone) === null) writer.makeDirectory(gone, 0o700)
  for (const name of [superblockName, ...treeNames]) {
    const from = joinPath(paths.directory, name)
    if (reader.lstatOrNull(from) !== null) writer.rename(from, joinPath(gone, name))
  }
  if (!options.noSync) writer.syncFile(paths.directory)
  advanceJournal(work, 'sweeping')
}

/** Put back what an undone humfsify moved aside, and remove the rest of the work. */
export function sweep(work: Workspace, terms: HumfsifyTerms | null): void {
  const { reader, writer, paths } = work
  for (const name of terms?.aside ?? []) {
    const from = joinPath(paths.directory, `${name}${asideSuffix}`)
    if (reader.lstatOrNull(from) !== null) writer.rename(from, joinPath(paths.directory, name))
  }
  endJournal(work)
}
