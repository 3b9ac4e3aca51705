import type { ManifestItem } from '../../../formats/manifest/entry.js'
import type { NewTree, NewTreeOptions } from '../../new-tree/new-tree.js'
import { buildTree } from '../../new-tree/tree-builder.js'
import { missingDirectory, TreePlan } from '../../new-tree/tree-plan.js'
import { type EntryWatch, watchEntries } from '../../new-tree/watch-entries.js'
import { createPace } from '../../pace.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import type { FakerootSave } from '../fakeroot/save.js'
import { DirectoryBuilder } from './builder.js'

export interface BuildDirectoryOptions extends NewTreeOptions {
  /** Give everything its own owner and type. The default for root. */
  readonly asRoot?: boolean | undefined
  /** Receives each file that was made. */
  readonly records?: FakerootSave | undefined
  /** Looks at each entry, and writes the warnings about them. Default: it warns about extended attributes. */
  readonly watch?: EntryWatch | undefined
  /** False: the caller reports the names that differ. Default: true */
  readonly warnsOfDiffering?: boolean | undefined
  /** Is called when everything is made, before directories get their modes. */
  readonly onMade?: (() => Promise<void>) | undefined
}

/** What was built. */
export interface BuiltDirectory {
  readonly entries: number
  /** Names that could not get their own owner, type or bits above 0777. */
  readonly differing: number
}

/** Make a plain directory tree from a manifest, at the top of a new tree. */
export async function buildDirectory(
  items: AsyncIterable<ManifestItem>,
  tree: NewTree,
  options: BuildDirectoryOptions,
  warn: (message: string) => void,
): Promise<BuiltDirectory> {
  const { asRoot = tree.reader.user().uid === 0, name = 'the input', duplicates, signal, onProgress } = options
  const { records, watch = watchEntries('directory'), onMade, warnsOfDiffering = true } = options
  const plan = new TreePlan(name, { duplicates })
  const builder = new DirectoryBuilder(tree, asRoot, (path, entry) => records?.add(path, entry))
  const pace = createPace({ signal, onProgress, description: 'laying out' })
  await buildTree(items, plan, builder, pace, (entry) => {
    watch.look(entry)
    return true
  })
  await onMade?.()
  await complete(tree, builder, plan, records)
  for (const warning of [...plan.warnings(), ...watch.warnings()]) warn(warning)
  const { differing } = builder
  if (differing > 0 && warnsOfDiffering)
    warn(`${differing} names do not have the owner, type or bits above 0777 that they should`)
  return { entries: plan.entries + plan.missing, differing }
}

/** Set modes and times of directories last: new content changes the times, and a mode may deny access. */
async function complete(
  tree: NewTree,
  builder: DirectoryBuilder,
  plan: TreePlan,
  records: FakerootSave | undefined,
): Promise<void> {
  const { reader, writer, top, options } = tree
  const pace = createPace({ signal: options.signal, description: 'completing' })
  for (const { path, facts, isLeaving } of walkTree(reader, top)) {
    if (pace.step()) await pace.rest()
    if (facts.type !== 'directory' || !isLeaving) continue
    const told = plan.directory(path)
    if (told === null) await records?.addMissing(path)
    else writer.setMtime(inTree(top, path), told.mtimeNs)
    writer.setMode(inTree(top, path), builder.modeOf((told ?? missingDirectory).mode))
  }
}
