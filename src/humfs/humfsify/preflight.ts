import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { metadataLine } from '../../formats/humfs/metadata.js'
import { usedOf } from '../../formats/humfs/superblock.js'
import type { HostUser } from '../../machine/host-user.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { Owner } from '../../trees/host/tree-facts.js'
import { isReplaced, losesMode, metadataOf } from '../../trees/kinds/humfs/entry.js'
import { journalMode, longestModes } from '../../trees/kinds/humfs/journal.js'
import { asideSuffix, longestPathOf, superblockName, treeNames } from '../../trees/kinds/humfs/paths.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { LinkTable } from '../../trees/link-table.js'
import { NameMarks } from '../../trees/name-marks.js'
import { createPace } from '../../trees/pace.js'
import { createProblems, type Problems } from '../../trees/problems.js'
import { longestPath } from '../../trees/tree-path.js'
import { type TreeItem, walkTree } from '../../trees/walk/walk-tree.js'
import { refuseMounts } from '../refuse-mounts.js'
import { nameInData } from '../removed-attributes.js'
import { storedItem } from './metadata-directories.js'

/** The arguments of a humfsify, checked before anything changes. */
export interface PreflightTerms {
  readonly owner: Owner
  readonly total: number
  readonly perlCompat: boolean
  readonly renameMetadata: string | null
}

export interface TreeCount {
  readonly entries: number
  /** Used bytes, for the superblock. */
  readonly used: number
  /** Names that are marks of other programs. */
  readonly warnings: readonly string[]
}

/**
 * Find existing metadata, which a new run would overwrite.
 *
 * @param force  allow it; the run moves the metadata aside
 * @returns      names of the existing metadata
 * @throws       UmlcowError HUMFS_EXISTS
 */
export function existingMetadata({ reader, paths }: Workspace, force: boolean): string[] {
  const isThere = (name: string) => reader.lstatOrNull(joinPath(paths.directory, name)) !== null
  const found = [superblockName, ...treeNames].filter(isThere)
  if (found.length === 0) return []
  const shown = found.map((name) => printablePath(joinPath(paths.directory, name)))
  if (!force) {
    const reason = 'exists already; the present owners and modes of data/ would overwrite the recorded ones'
    throw new UmlcowError('HUMFS_EXISTS', shown.map((name) => `${name}: ${reason}`).join('\n'), {
      hint: 'run "umlcow humfsify -r" to restore the recorded owners and modes; --force=exists moves it all aside',
    })
  }
  const taken = found.map((name) => `${name}${asideSuffix}`).filter(isThere)
  if (taken.length === 0) return found
  throw new UmlcowError('HUMFS_EXISTS', taken.map((name) => `${name}: exists already`).join('\n'), {
    hint: 'an earlier --force=exists moved this metadata aside: move it away',
  })
}

/**
 * Check the whole tree before anything changes.
 *
 * @param takesLinks  files may have names outside of data
 * @throws            UmlcowError HUMFS_UNFIT with every problem
 */
export async function preflight(work: Workspace, terms: PreflightTerms, takesLinks: boolean): Promise<TreeCount> {
  refuseMounts(work)
  const problems = createProblems('data')
  const user = work.reader.user()
  checkOwner(terms, user, problems)
  // Without `size`: in these options it is the size of the file system.
  const pace = createPace({ signal: work.options.signal, description: 'looking at data' })
  const links = new LinkTable()
  const marks = new NameMarks()
  let entries = 0
  let allocated = 0
  let modeBytes = 0
  const onError = (path: Buffer, error: unknown) => problems.addError(path, error)
  for (const item of walkTree(work.reader, work.paths.data, onError)) {
    if (pace.step()) await pace.rest()
    if (item.isLeaving) continue
    entries++
    checkItem(work, terms, item, user.uid, problems)
    marks.add(item.path, item.facts.type, item.facts, () => nameInData(item.path))
    if (links.further(item.facts, () => item.path) === null) allocated += item.facts.allocatedSize
    if (losesMode(item.facts, terms.perlCompat)) modeBytes += journalMode(item.stored, item.facts.mode).length
  }
  if (modeBytes > longestModes) {
    problems.addText(
      `the modes that --perl-compat drops take ${modeBytes} bytes of journal, which has room for ${longestModes}`,
    )
  }
  if (!takesLinks) {
    for (const { note: path, missing } of links.incomplete()) {
      problems.add(path, `is one file with ${missing} names outside of data, which would change, too (--force=links)`)
    }
  }
  const used = usedOf(allocated)
  if (used > terms.total) problems.addText(`data takes ${used} bytes, and the size is only ${terms.total}`)
  problems.refuse('HUMFS_UNFIT', 'nothing was changed')
  return { entries, used, warnings: marks.list('data') }
}

function checkItem(work: Workspace, terms: PreflightTerms, item: TreeItem, uid: number, problems: Problems): void {
  const { path, facts } = item
  checkName(work, terms, item, problems)
  const longest = longestPathOf(work.paths, item.stored)
  if (longest > longestPath) {
    problems.add(path, `the path of its metadata takes ${longest} bytes, the system takes ${longestPath}`)
  }
  try {
    metadataLine(metadataOf(facts, terms.perlCompat))
  } catch (error) {
    problems.addError(path, error)
  }
  if (isReplaced(facts, terms.perlCompat) && facts.device !== work.facts.device) {
    problems.add(path, 'is a device node or socket on another file system than the directory above data')
  }
  if (uid !== 0 && facts.uid !== uid) problems.add(path, `belongs to user ${facts.uid}, and only root may change it`)
}

function checkName(work: Workspace, terms: PreflightTerms, item: TreeItem, problems: Problems): void {
  const renamed = storedItem(item, terms.renameMetadata)
  if (renamed === null) return
  if (terms.renameMetadata === null) {
    problems.add(item.path, 'a directory of this name cannot be stored (--rename-metadata SUFFIX renames it)')
    return
  }
  item.stored = renamed.stored
  if (work.reader.lstatOrNull(joinPath(work.paths.data, renamed.path)) !== null) {
    problems.add(item.path, `cannot be renamed: data/${printablePath(renamed.path)} exists already`)
  }
}

/** Check who gets the files: only root may give files away. The metadata and the empty files get the same owner. */
function checkOwner({ owner }: PreflightTerms, { uid, groups }: HostUser, problems: Problems): void {
  if (uid === 0) return
  if (owner.uid !== uid) problems.addText(`only root may give data to user ${owner.uid}`)
  if (!groups.includes(owner.gid)) problems.addText(`only root and members may give data to group ${owner.gid}`)
}
