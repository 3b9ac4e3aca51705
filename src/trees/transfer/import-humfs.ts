import { printablePath } from '../../bytes/escape.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { lookUpId } from '../../machine/programs/user-names.js'
import type { Owner } from '../host/tree-facts.js'
import { treeHostOf } from '../host/tree-host.js'
import { checkSuffix } from '../kinds/humfs/paths.js'
import { checkHumfsItems, humfsPlan, type WriteHumfsOptions, writeHumfsTree } from '../kinds/humfs/sink.js'
import { refuseManyNames } from '../new-tree/link-limit.js'
import { guardNewTree } from '../new-tree/make-new-tree.js'
import { createWarnings } from '../warnings.js'
import {
  type ImportHumfsOptions,
  type ImportHumfsResult,
  type ImportInput,
  importRules,
  isStream,
} from './import-options.js'
import { type ImportSource, importSource } from './import-source.js'

/** A dry run without a directory checks path lengths with this short name. */
const anyDirectory = 'humfs'

/**
 * Make a humfs tree without root: from an archive, from a manifest and the tree that it describes, or from another
 * tree.
 *
 * It checks an input that can be read twice as a whole, before it makes anything.
 *
 * @param place  a new directory, or an empty one; null for a dry run that checks only the input
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE, HUMFS_UNFIT,
 *         TOO_MANY_LINKS, TARGET_EXISTS, TARGET_KIND, IN_USE, UNKNOWN_USER, UNKNOWN_GROUP, INPUT_CHANGED, USAGE
 */
export async function importHumfs(
  given: ImportInput | URL,
  place: string | URL | null,
  givenOptions: ImportHumfsOptions,
): Promise<ImportHumfsResult> {
  const input = isStream(given) ? given : textPath('input', given)
  const directory = place === null ? null : textPath('directory', place)
  const options = checkedOptions(givenOptions, importRules)
  if (directory === null && !options.dryRun) throw new TypeError('directory: expected a path, got null without dryRun')
  const { reader } = treeHostOf(options)
  const owner = await ownerOf(options, reader.user())
  if (options.renameMetadata !== undefined) checkSuffix(options.renameMetadata)
  if (directory !== null) guardNewTree(reader, directory)
  const source = await importSource(input, directory, options)
  try {
    return await importFrom(source, directory, options, owner)
  } finally {
    await source.close?.()
  }
}

async function importFrom(
  source: ImportSource,
  directory: string | null,
  options: ImportHumfsOptions,
  owner: Owner,
): Promise<ImportHumfsResult> {
  const { from, dryRun = false } = options
  const { reader } = treeHostOf(options)
  const found = await source.look()
  const sinkOptions: WriteHumfsOptions = { ...options, owner, name: source.name }
  const plan = humfsPlan(sinkOptions)
  const result = { directory: directory === null ? null : printablePath(directory), from, ...owner, dryRun }
  let entries: number | undefined
  if (dryRun || source.isRepeatable) {
    const warnings = createWarnings(found)
    const seen = await checkHumfsItems(source.items(warnings.add), directory ?? anyDirectory, sinkOptions, plan)
    if (directory !== null) await refuseManyNames(reader, plan.mostNames, directory, options.signal)
    if (dryRun) return { ...result, ...seen, used: null, total: null, warnings: [...warnings.list(), ...seen.warnings] }
    entries = seen.entries
    plan.reset()
  }
  const warnings = createWarnings(found)
  const items = source.items(warnings.add)
  const made = await writeHumfsTree(items, directory!, { ...sinkOptions, entries }, plan)
  return { ...result, ...made, warnings: [...warnings.list(), ...made.warnings] }
}

async function ownerOf({ owner, group }: ImportHumfsOptions, user: Owner): Promise<Owner> {
  const uid = owner === undefined ? user.uid : await lookUpId('user', `${owner}`)
  const gid = group === undefined ? user.gid : await lookUpId('group', `${group}`)
  return { uid, gid }
}
