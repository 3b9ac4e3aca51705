import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { serializeSuperblock, usedOf } from '../../../formats/humfs/superblock.js'
import { shownPath } from '../../../formats/manifest/archive-error.js'
import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import type { HostPath } from '../../../machine/host-files.js'
import type { HostUser } from '../../../machine/host-user.js'
import { checkedOptions, checkItems, hostPath, object, type Rules, text, whole } from '../../../machine/option-rules.js'
import type { Owner } from '../../host/tree-facts.js'
import { treeHostOf } from '../../host/tree-host.js'
import { LinkTable } from '../../link-table.js'
import { NameMarks } from '../../name-marks.js'
import { makeNewTree } from '../../new-tree/make-new-tree.js'
import { type NewTree, type NewTreeOptions, newTreeRules } from '../../new-tree/new-tree.js'
import { buildTree } from '../../new-tree/tree-builder.js'
import { missingDirectory, TreePlan } from '../../new-tree/tree-plan.js'
import { watchEntries } from '../../new-tree/watch-entries.js'
import { createPace } from '../../pace.js'
import { createProblems, type Problems } from '../../problems.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { HumfsBuilder } from './builder.js'
import { HumfsFit, withRenamedDirectories } from './fit.js'
import { foreignOwner } from './shadow-entry.js'

export interface WriteHumfsOptions extends NewTreeOptions {
  /** The owner of the files. The default is the user who runs umlcow; only root may name another. */
  readonly owner?: Owner | undefined
  /** Bytes that the guest sees as the size of the file system; the default is twice the used size. */
  readonly size?: number | undefined
  /** Suffix for the names of directories called `metadata`. */
  readonly renameMetadata?: string | undefined
  /** Number of entries, if known: for progress. */
  readonly entries?: number | undefined
}

const writeHumfsRules: Rules = {
  ...newTreeRules,
  owner: object,
  size: whole(0),
  renameMetadata: text,
  entries: whole(0),
}

export interface HumfsTreeResult {
  readonly directory: string
  /** Names in data, the top included. */
  readonly entries: number
  readonly used: number
  readonly total: number
  readonly uid: number
  readonly gid: number
  readonly warnings: readonly string[]
}

const mebibyte = 1024 * 1024
const nothingMade = 'nothing was made'

/**
 * Make a humfs tree from a manifest, without root, in a new directory or an empty one. Owners, modes and devices go
 * into metadata, byte for byte as `humfsify` writes it.
 *
 * @param plan  a new plan, or one after `reset`
 * @throws      UmlcowError TARGET_EXISTS, TARGET_KIND, IN_USE, HUMFS_UNFIT with every entry that humfs cannot
 *              represent, BAD_ARCHIVE when entries contradict one another, and what `items` throws
 */
export async function writeHumfsTree(
  items: AsyncIterable<ManifestItem>,
  place: HostPath | URL,
  given: WriteHumfsOptions = {},
  plan: TreePlan = humfsPlan(given),
): Promise<HumfsTreeResult> {
  checkItems(items)
  const directory = hostPath('directory', place)
  const options = checkedOptions(given, writeHumfsRules)
  const { reader } = treeHostOf(options)
  const user = reader.user()
  const owner = ownerOf(options, user)
  const foreign = foreignOwner(owner, user)
  const { result, warnings } = await makeNewTree(directory, options, async (tree, warn) => {
    const builder = new HumfsBuilder(tree, foreign)
    const problems = createProblems('data')
    const watch = watchItems(options.name)
    tree.writer.makeDirectory(tree.top, 0o777 & ~user.umask)
    const pace = createPace({ ...paceOf(options), description: 'laying out' })
    const fit = new HumfsFit(problems, directory, tree.top)
    await buildTree(items, plan, builder, pace, (entry, place) => {
      watch.look(entry)
      return fit.check(entry, place)
    })
    problems.refuse('HUMFS_UNFIT', nothingMade)
    pace.finish()
    const used = await completeTree(tree, builder, plan)
    const total = options.size ?? roomFor(used)
    refuseTooSmall(used, total, problems)
    tree.writer.writeNew(builder.paths.superblock, serializeSuperblock({ used, total }), 0o644, foreign)
    builder.give(tree.top)
    for (const warning of [...plan.warnings(), ...watch.warnings()]) warn(warning)
    return { entries: plan.entries + plan.missing, used, total }
  })
  return { directory: printablePath(directory), ...result, ...owner, warnings }
}

/**
 * Check a manifest as `writeHumfsTree` does, but read no content.
 *
 * @returns the number of names, and the warnings
 * @throws  the errors of `writeHumfsTree`
 */
export async function checkHumfsItems(
  items: AsyncIterable<ManifestItem>,
  directory: HostPath,
  options: WriteHumfsOptions = {},
  plan: TreePlan = humfsPlan(options),
): Promise<Pick<HumfsTreeResult, 'entries' | 'warnings'>> {
  ownerOf(options, treeHostOf(options).reader.user())
  const problems = createProblems('data')
  const watch = watchItems(options.name)
  const pace = createPace({ ...paceOf(options), description: 'looking at it' })
  const fit = new HumfsFit(problems, directory)
  for await (const { entry } of items) {
    if (pace.step()) await pace.rest()
    watch.look(entry)
    fit.check(entry, plan.place(entry))
  }
  problems.refuse('HUMFS_UNFIT', nothingMade)
  return { entries: plan.entries + plan.missing, warnings: [...plan.warnings(), ...watch.warnings()] }
}

/** Make the plan of a humfs tree. */
export function humfsPlan({ name = 'the input', renameMetadata, duplicates }: WriteHumfsOptions): TreePlan {
  if (renameMetadata === undefined) return new TreePlan(name, { duplicates })
  const rename = (path: Buffer, isDirectory: boolean) => withRenamedDirectories(path, isDirectory, renameMetadata)
  return new TreePlan(name, { duplicates, rename })
}

/** Get the options of progress. The option `size` is not passed on: it is the size of the file system. */
function paceOf({ signal, onProgress, entries }: WriteHumfsOptions) {
  return { signal, onProgress, ...(entries === undefined ? {} : { size: entries }) }
}

/** Find the owner of the files. @throws UmlcowError HUMFS_UNFIT when only root may give the files to that owner */
function ownerOf({ owner }: WriteHumfsOptions, { uid, gid, groups }: HostUser): Owner {
  if (owner === undefined) return { uid, gid }
  if (uid === 0 || (owner.uid === uid && groups.includes(owner.gid))) return owner
  throw new UmlcowError('HUMFS_UNFIT', `only root may give the tree to ${owner.uid}:${owner.gid}`, {
    hint: nothingMade,
  })
}

/** Compute the default size: twice the used size in whole mebibytes, so that a guest finds free space. */
function roomFor(used: number): number {
  return Math.ceil((2 * used) / mebibyte) * mebibyte
}

function refuseTooSmall(used: number, total: number, problems: Problems): void {
  if (used > total) problems.addText(`data takes ${used} bytes, and the size is only ${total}`)
  problems.refuse('HUMFS_UNFIT', nothingMade)
}

/**
 * Set the times of directories after their content is made. Write the entries of directories that the manifest does not
 * list.
 *
 * @returns the used bytes
 */
async function completeTree(tree: NewTree, builder: HumfsBuilder, plan: TreePlan): Promise<number> {
  const { signal } = tree.options
  const pace = createPace({ signal, description: 'completing' })
  const links = new LinkTable()
  let allocated = 0
  for (const { path, facts, isLeaving } of walkTree(tree.reader, builder.paths.data)) {
    if (pace.step()) await pace.rest()
    if (!isLeaving) {
      if (links.further(facts, () => path) === null) allocated += facts.allocatedSize
      continue
    }
    const told = plan.directory(path)
    if (told === null) builder.record(path, missingDirectory)
    else tree.writer.setMtime(inTree(builder.paths.data, path), told.mtimeNs)
  }
  return usedOf(allocated)
}

/** Look at entries for what humfs cannot represent, and for marks of other programs, which become files. */
function watchItems(name = 'the input') {
  const watch = watchEntries('humfs tree')
  const marks = new NameMarks()
  return {
    look(entry: ManifestEntry): void {
      watch.look(entry)
      marks.add(entry.path, entry.type, entry.device, () => shownPath(entry.path))
    },
    warnings: () => [...marks.list(name), ...watch.warnings()],
  }
}
