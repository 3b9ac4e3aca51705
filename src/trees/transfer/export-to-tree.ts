import { throwIfAborted } from '../../errors.js'
import { localHostFiles } from '../../machine/host-files.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { treeHostOf } from '../host/tree-host.js'
import { treeKinds } from '../kinds/table.js'
import { NameCounter, refuseManyNames } from '../new-tree/link-limit.js'
import { guardNewTree } from '../new-tree/make-new-tree.js'
import type { TreeSource } from '../source/tree-source.js'
import { createWarnings } from '../warnings.js'
import { itemCounter } from './count-items.js'
import { assertSource, type ExportResult, type ExportTreeOptions, exportTreeRules } from './export-options.js'
import { refuseInTree, refuseInWork } from './guard-output.js'

/**
 * Write a tree as another one, into a new directory or an empty one. It looks at the whole tree first. The new tree
 * appears under its name whole or not at all.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, TARGET_PROTECTED when the directory is in the tree,
 *         TOO_MANY_LINKS, ENTRY_UNFIT,
 *         INPUT_CHANGED, INTERRUPTED, and the errors of the source
 */
export async function exportToTree(
  source: TreeSource,
  place: string | URL,
  given: ExportTreeOptions,
): Promise<ExportResult> {
  assertSource(source)
  const directory = textPath('directory', place)
  const options = checkedOptions(given, exportTreeRules)
  const { format, dryRun = false, files = localHostFiles, noSync, signal } = options
  throwIfAborted(signal)
  const { reader, writer } = treeHostOf(options)
  guardNewTree(reader, directory)
  refuseInWork(reader, [source.top], directory)
  await refuseInTree(files, source, directory)
  const names = new NameCounter()
  const survey = await source.survey({
    content: true,
    attributes: true,
    onName: ({ path, facts }) => names.add(path, facts),
  })
  await refuseManyNames(reader, names.most, directory, signal)
  const warnings = createWarnings(source.warnings)
  const result = { format, target: directory, ...survey, written: null, excludeFile: null, dryRun }
  if (!dryRun) {
    const counter = itemCounter(survey, true, options)
    const made = await treeKinds[format].sink(source.items(counter), directory, {
      files,
      reader,
      writer,
      noSync,
      signal,
    })
    counter.finish()
    for (const warning of made.warnings) warnings.add(warning)
  }
  return { ...result, warnings: warnings.list() }
}
