import { printablePath } from '../../bytes/escape.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { Owner, TreeFacts } from '../../trees/host/tree-facts.js'
import { dataMode, isReplaced } from '../../trees/kinds/humfs/entry.js'
import type { HumfsifyTerms } from '../../trees/kinds/humfs/journal.js'
import { entryPath } from '../../trees/kinds/humfs/paths.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { createPace } from '../../trees/pace.js'
import { inTree } from '../../trees/tree-path.js'
import { type TreeItem, walkTree } from '../../trees/walk/walk-tree.js'
import { replaceName } from '../replace-name.js'
import { storedItem } from './metadata-directories.js'

/**
 * Change data to what the kernel expects: the user owns every name, and devices and sockets are empty files. The target
 * state of a name depends only on its present state and its record. So a second run from the start finishes a run that
 * was cut short.
 *
 * @returns a warning for each name that appeared after the recording; it is left as it is
 */
export async function changeData(work: Workspace, terms: HumfsifyTerms, entries: number): Promise<string[]> {
  const pace = createPace({ ...work.options, description: 'changing', size: entries })
  const warnings: string[] = []
  for (const item of walkTree(work.reader, work.paths.data)) {
    if (item.isLeaving) continue
    followRename(work, item, terms)
    const recorded = entryPath(work.paths, item.stored, item.facts.type === 'directory')
    const entry = work.reader.lstatOrNull(recorded)
    if (entry === null) {
      item.descend = false
      warnings.push(`data/${printablePath(item.path)}: appeared meanwhile, is not recorded and was left as it is`)
    } else {
      await changeItem(work, terms, item, entry)
    }
    if (pace.step()) await pace.rest()
  }
  pace.finish()
  return warnings
}

/** Rename the directories that do not have their new names yet. */
export function renameDirectories(work: Workspace, terms: HumfsifyTerms): void {
  if (terms.renameMetadata === null) return
  for (const item of walkTree(work.reader, work.paths.data)) {
    if (!item.isLeaving) followRename(work, item, terms)
  }
}

function followRename({ writer, paths }: Workspace, item: TreeItem, terms: HumfsifyTerms): void {
  const renamed = storedItem(item, terms.renameMetadata)
  if (renamed === null || terms.renameMetadata === null) return
  writer.rename(joinPath(paths.data, item.path), joinPath(paths.data, renamed.path))
  item.path = renamed.path
  item.stored = renamed.path
}

async function changeItem(work: Workspace, terms: HumfsifyTerms, item: TreeItem, entry: TreeFacts): Promise<void> {
  const { facts } = item
  const path = inTree(work.paths.data, item.path)
  const mode = dataMode(facts, terms.perlCompat)
  if (isReplaced(facts, terms.perlCompat)) {
    const make = async (draft: Buffer) => {
      work.writer.writeNew(draft, Buffer.alloc(0), mode, terms.owner)
    }
    await replaceName(work, { path, facts, entry, kind: 'file', make })
    return
  }
  // Clear setuid before the owner changes: no other user may get a setuid file.
  if (facts.type !== 'symlink' && facts.mode !== mode) work.writer.setMode(path, mode)
  if (changesOwner(facts, terms.owner)) work.writer.setOwner(path, terms.owner)
}

/** Whether a name does not belong to the user yet. */
export function changesOwner(facts: Owner, { uid, gid }: Owner): boolean {
  return facts.uid !== uid || facts.gid !== gid
}
