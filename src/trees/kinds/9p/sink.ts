import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { serializeVirtfs } from '../../../formats/virtfs/index.js'
import type { HostPath } from '../../../machine/host-files.js'
import { checkedOptions, checkItems, hostPath } from '../../../machine/option-rules.js'
import { makeNewTree } from '../../new-tree/make-new-tree.js'
import { type NewTree, type NewTreeOptions, newTreeRules } from '../../new-tree/new-tree.js'
import { buildTree } from '../../new-tree/tree-builder.js'
import { type Placement, TreePlan } from '../../new-tree/tree-plan.js'
import { watchEntries } from '../../new-tree/watch-entries.js'
import { createPace } from '../../pace.js'
import { createProblems, type Problems } from '../../problems.js'
import { inTree } from '../../tree-path.js'
import { walkTree } from '../../walk/walk-tree.js'
import { isReservedName, missingEntry, VirtfsBuilder } from './builder.js'

export interface VirtfsTreeResult {
  readonly directory: string
  readonly entries: number
  readonly warnings: readonly string[]
}

/**
 * Make a tree for QEMU's 9p server (`security_model=mapped-file`) from a manifest, without root, in a new directory or
 * an empty one.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, IN_USE, ENTRY_UNFIT with every entry that QEMU cannot represent,
 *         BAD_ARCHIVE when entries contradict one another, and what `items` throws
 */
export async function writeVirtfsTree(
  items: AsyncIterable<ManifestItem>,
  place: HostPath | URL,
  given: NewTreeOptions = {},
): Promise<VirtfsTreeResult> {
  checkItems(items)
  const directory = hostPath('directory', place)
  const options = checkedOptions(given, newTreeRules)
  const { name = 'the input', duplicates, signal, onProgress } = options
  const { result, warnings } = await makeNewTree(directory, options, async (tree, warn) => {
    const plan = new TreePlan(name, { duplicates })
    const builder = new VirtfsBuilder(tree)
    const problems = createProblems('the tree')
    const pace = createPace({ signal, onProgress, description: 'laying out' })
    const watch = watchEntries('tree for the 9p server')
    await buildTree(items, plan, builder, pace, (entry, place) => {
      watch.look(entry)
      return isFit(entry, place, problems)
    })
    problems.refuse('ENTRY_UNFIT', 'nothing was made')
    await complete(tree, builder, plan)
    for (const warning of [...plan.warnings(), ...watch.warnings()]) warn(warning)
    return { entries: plan.entries + plan.missing }
  })
  return { directory: printablePath(directory), ...result, warnings }
}

function isFit(entry: ManifestEntry, { path, missing }: Placement, problems: Problems): boolean {
  const before = problems.count
  for (const one of [...missing, path]) {
    if (isReservedName(one)) problems.add(one, 'is a name that QEMU keeps for itself')
  }
  try {
    serializeVirtfs(entry)
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    problems.addText(error.message)
  }
  return problems.count === before
}

/**
 * Set the times of directories after their content is made. Write the attributes of directories that the manifest does
 * not list.
 */
async function complete(tree: NewTree, builder: VirtfsBuilder, plan: TreePlan): Promise<void> {
  const pace = createPace({ signal: tree.options.signal, description: 'completing' })
  for (const item of walkTree(tree.reader, tree.top)) {
    if (pace.step()) await pace.rest()
    if (isReservedName(item.path)) item.descend = false
    else if (item.isLeaving) {
      const told = plan.directory(item.path)
      if (told !== null) tree.writer.setMtime(inTree(tree.top, item.path), told.mtimeNs)
      else builder.record(item.path, missingEntry(item.path))
    }
  }
}
