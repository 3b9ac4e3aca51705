import { printablePath } from '../bytes/escape.js'
import type { EntryType } from '../formats/manifest/entry.js'
import { checkedOptions, textPath } from '../machine/option-rules.js'
import { typeOfLetter } from '../trees/kinds/humfs/entry.js'
import { type Inspected, inspectTree } from '../trees/kinds/humfs/inspect-tree.js'
import { type HumfsPhase, readHumfsJournal, refuseRename, unfinished } from '../trees/kinds/humfs/journal.js'
import { readSuperblock, refuseWithoutTrees } from '../trees/kinds/humfs/read-superblock.js'
import { openWorkspace } from '../trees/kinds/humfs/workspace.js'
import { createPace } from '../trees/pace.js'
import { type TreeOptions, treeRules } from '../trees/tree-options.js'
import { sizeOfProgress } from './count-names.js'

export type EntryCounts = Record<EntryType, number>

export interface HumfsInfo {
  readonly directory: string
  readonly used: number
  readonly total: number
  /** Names of each type, as a guest sees them. */
  readonly counts: EntryCounts
  /** Names of data without a readable entry. */
  readonly without: number
  /** Bytes in files. */
  readonly size: number
  readonly warnings: readonly string[]
  /** The phase of a run that was cut short. */
  readonly unfinished: HumfsPhase | null
}

function typeOf({ item, entry }: Inspected): EntryType {
  const letter = item.facts.type === 'file' ? entry?.node?.letter : undefined
  return letter === undefined ? item.facts.type : typeOfLetter[letter]
}

/**
 * Count what a humfs tree holds.
 *
 * @throws UmlcowError NOT_HUMFS, HUMFS_SUPERBLOCK, HUMFS_VERSION, HUMFS_DAMAGED, HUMFS_UNFINISHED when a run was cut
 *         short and there is no superblock
 */
export async function humfsInfo(directory: string | URL, given: TreeOptions = {}): Promise<HumfsInfo> {
  const options = checkedOptions(given, treeRules)
  const work = openWorkspace(textPath('directory', directory), options)
  const journal = readHumfsJournal(work.reader, work.paths)
  if (journal !== null && work.reader.lstatOrNull(work.paths.superblock) === null) {
    refuseRename(work.paths, journal)
    const what = `a run was cut short while it was ${journal.phase}`
    throw unfinished(work.paths, what, 'run "umlcow humfsify -r": it undoes a humfsify, and finishes its reverse')
  }
  const superblock = readSuperblock(work)
  refuseWithoutTrees(work)
  const counts: EntryCounts = { file: 0, directory: 0, symlink: 0, character: 0, block: 0, fifo: 0, socket: 0 }
  let without = 0
  let size = 0
  const pace = createPace({ ...options, description: 'counting', size: await sizeOfProgress(work) })
  for (const one of inspectTree(work.reader, work.paths)) {
    if (one.item.isLeaving) continue
    const type = typeOf(one)
    counts[type]++
    if (one.entry === null) without++
    if (type === 'file') size += one.item.facts.size
    if (pace.step()) await pace.rest()
  }
  pace.finish()
  return {
    directory: printablePath(work.paths.directory),
    used: superblock.used,
    total: superblock.total,
    counts,
    without,
    size,
    warnings: superblock.warnings,
    unfinished: journal?.phase ?? null,
  }
}
