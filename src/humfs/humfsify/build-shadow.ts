import { joinPath } from '../../machine/path-bytes.js'
import type { Owner } from '../../trees/host/tree-facts.js'
import { losesMode } from '../../trees/kinds/humfs/entry.js'
import { type HumfsifyTerms, journalMode } from '../../trees/kinds/humfs/journal.js'
import { entryPath, type ShadowTrees } from '../../trees/kinds/humfs/paths.js'
import { foreignOwner, makeMirrors, writeEntry } from '../../trees/kinds/humfs/shadow-entry.js'
import { syncTree, type Workspace } from '../../trees/kinds/humfs/workspace.js'
import { LinkTable } from '../../trees/link-table.js'
import { createPace } from '../../trees/pace.js'
import { type TreeItem, walkTree } from '../../trees/walk/walk-tree.js'
import { storedItem } from './metadata-directories.js'

/** Get the paths of the shadow trees in the work directory, where a run builds them. */
export function shadowsInWork({ paths }: Workspace): ShadowTrees {
  return { fileMetadata: joinPath(paths.work, 'file_metadata'), dirMetadata: joinPath(paths.work, 'dir_metadata') }
}

/** Record all of data in shadow trees beside it. This does not change data. */
export async function buildShadow(work: Workspace, terms: HumfsifyTerms, entries: number): Promise<void> {
  const pace = createPace({ ...work.options, description: 'recording', size: entries })
  const trees = shadowsInWork(work)
  const owner = foreignOwner(terms.owner, work.reader.user())
  /** Files with several names. Their entries are hard links too, so that a guest sees one file. */
  const links = new LinkTable()
  for (const item of walkTree(work.reader, work.paths.data)) {
    if (item.isLeaving) continue
    item.stored = storedItem(item, terms.renameMetadata)?.stored ?? item.stored
    if (item.facts.type === 'directory') makeMirrors(work.writer, trees, item.stored, owner)
    record(work, trees, item, { owner, perlCompat: terms.perlCompat }, links)
    if (losesMode(item.facts, terms.perlCompat)) {
      work.writer.append(work.paths.journal, journalMode(item.stored, item.facts.mode))
    }
    if (pace.step()) await pace.rest()
  }
  pace.finish()
  await syncTree(work, work.paths.work)
}

function record(
  { writer }: Workspace,
  trees: ShadowTrees,
  { stored, facts }: TreeItem,
  { owner, perlCompat }: { owner: Owner | null; perlCompat: boolean },
  links: LinkTable,
): void {
  const isDirectory = facts.type === 'directory'
  const path = entryPath(trees, stored, isDirectory)
  const first = links.further(facts, () => stored)
  if (first === null) writeEntry(writer, path, facts, perlCompat, owner)
  else writer.link(entryPath(trees, first, false), path)
}
