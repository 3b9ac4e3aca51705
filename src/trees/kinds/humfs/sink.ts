import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { serializeSuperblock, usedOf } from '../../../formats/humfs/superblock.js'
import type { ManifestItem } from '../../../formats/manifest/entry.js'
import { checkedOptions, hostPath, object, type Rules, text, whole } from '../../../machine/arguments.js'
import type { HostPath } from '../../../machine/host-files.js'
import type { HostUser } from '../../../machine/host-user.js'
import type { Owner } from '../../host/tree-facts.js'
import { treeHostOf } from '../../host/tree-host.js'
import { LinkTable } from '../../link-table.js'
import { makeNewTree } from '../../new-tree/make-new-tree.js'
import { type NewTree, type NewTreeOptions, newTreeRules } from '../../new-tree/new-tree.js'
import { buildTree } from '../../new-tree/tree-builder.js'
import { missingDirectory, TreePlan } from '../../new-tree/tree-plan.js'
import { createPace } from '../../pace.js'
import { createProblems, type Problems } from '../../problems.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { HumfsBuilder } from './builder.js'
import { HumfsFit, withRenamedDirectories } from './fit.js'
import { foreignOwner } from './shadow-entry.js'

export interface WriteHumfsOptions extends NewTreeOptions {
  /** Whose the files shall be: ourselves where it is not given, and others for root only. */
  readonly owner?: Owner | undefined
  /** Bytes that the guest sees as the size of the file system; where it is not given, twice what is used. */
  readonly size?: number | undefined
  /** Directories called `metadata` get this at the end of their name. */
  readonly renameMetadata?: string | undefined
  /** How many entries there will be, where it is known: for progress. */
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
 * Make a humfs tree from a manifest, without root: a new directory, or in the place of an empty one. Owners, modes and
 * devices go into metadata, byte for byte as `humfsify` writes it.
 *
 * @param plan  in which nothing has come yet
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, IN_USE, HUMFS_UNFIT with all that humfs cannot hold, BAD_ARCHIVE when
 *         entries contradict one another, and what `items` throws
 */
export async function writeHumfsTree(
  items: AsyncIterable<ManifestItem>,
  place: HostPath | URL,
  given: WriteHumfsOptions = {},
  plan: TreePlan = humfsPlan(given),
): Promise<HumfsTreeResult> {
  const directory = hostPath('directory', place)
  const options = checkedOptions(given, writeHumfsRules)
  const { reader } = treeHostOf(options)
  const user = reader.user()
  const owner = ownerOf(options, user)
  const foreign = foreignOwner(owner, user)
  const { result, warnings } = await makeNewTree(directory, options, async (tree, warn) => {
    const builder = new HumfsBuilder(tree, foreign)
    const problems = createProblems('data')
    const counted = countXattrs(items)
    tree.writer.makeDirectory(tree.top, 0o777 & ~user.umask)
    const pace = createPace({ ...paceOf(options), description: 'laying out' })
    const fit = new HumfsFit(problems, directory, tree.top)
    await buildTree(counted.items, plan, builder, pace, (entry, place) => fit.check(entry, place))
    problems.refuse('HUMFS_UNFIT', nothingMade)
    const used = await completeTree(tree, builder, plan)
    const total = options.size ?? roomFor(used)
    refuseTooSmall(used, total, problems)
    tree.writer.writeNew(builder.paths.superblock, serializeSuperblock({ used, total }), 0o644, foreign)
    builder.give(tree.top)
    for (const warning of [...plan.warnings(), ...counted.warnings()]) warn(warning)
    return { entries: plan.entries + plan.missing, used, total }
  })
  return { directory: printablePath(directory), ...result, ...owner, warnings }
}

/**
 * See what `writeHumfsTree` would say of a manifest, without content being read.
 *
 * @returns how many names there are, and the warnings
 * @throws  as `writeHumfsTree`
 */
export async function checkHumfsItems(
  items: AsyncIterable<ManifestItem>,
  directory: HostPath,
  options: WriteHumfsOptions = {},
  plan: TreePlan = humfsPlan(options),
): Promise<Pick<HumfsTreeResult, 'entries' | 'warnings'>> {
  ownerOf(options, treeHostOf(options).reader.user())
  const problems = createProblems('data')
  const counted = countXattrs(items)
  const pace = createPace({ ...paceOf(options), description: 'looking at it' })
  const fit = new HumfsFit(problems, directory)
  for await (const { entry } of counted.items) {
    if (pace.step()) await pace.rest()
    fit.check(entry, plan.place(entry))
  }
  problems.refuse('HUMFS_UNFIT', nothingMade)
  return { entries: plan.entries + plan.missing, warnings: [...plan.warnings(), ...counted.warnings()] }
}

/** The plan of a humfs tree. */
export function humfsPlan({ name = 'the input', renameMetadata }: WriteHumfsOptions): TreePlan {
  if (renameMetadata === undefined) return new TreePlan(name)
  return new TreePlan(name, (path, isDirectory) => withRenamedDirectories(path, isDirectory, renameMetadata))
}

/** Not with the size of the file system, which is another one. */
function paceOf({ signal, onProgress, entries }: WriteHumfsOptions) {
  return { signal, onProgress, ...(entries === undefined ? {} : { size: entries }) }
}

/** @throws UmlcowError HUMFS_UNFIT when the files would have to be given away, and only root may do that */
function ownerOf({ owner }: WriteHumfsOptions, { uid, gid, groups }: HostUser): Owner {
  if (owner === undefined) return { uid, gid }
  if (uid === 0 || (owner.uid === uid && groups.includes(owner.gid))) return owner
  throw new UmlcowError('HUMFS_UNFIT', `only root may give the tree to ${owner.uid}:${owner.gid}`, {
    hint: nothingMade,
  })
}

/** As much again as is used, in whole mebibytes: a guest that looks for room finds some. */
function roomFor(used: number): number {
  return Math.ceil((2 * used) / mebibyte) * mebibyte
}

function refuseTooSmall(used: number, total: number, problems: Problems): void {
  if (used > total) problems.addText(`data takes ${used} bytes, and the size is only ${total}`)
  problems.refuse('HUMFS_UNFIT', nothingMade)
}

/** Directories get their times when all is in them, and those that nobody told of their entries. @returns bytes used */
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

/** Counts what humfs does not hold, on the way through. */
function countXattrs(items: AsyncIterable<ManifestItem>) {
  let count = 0
  async function* through(): AsyncGenerator<ManifestItem> {
    for await (const item of items) {
      if (item.entry.xattrs !== null && item.entry.xattrs.length > 0) count++
      yield item
    }
  }
  const warnings = () => (count === 0 ? [] : [`${count} entries have extended attributes, which humfs does not hold`])
  return { items: through(), warnings }
}
