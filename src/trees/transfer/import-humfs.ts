import { printablePath } from '../../bytes/escape.js'
import {
  checkedOptions,
  flag,
  nameOrNumber,
  oneOf,
  paths,
  type Rules,
  required,
  text,
  textPath,
  whole,
} from '../../machine/arguments.js'
import { lookUpId } from '../../machine/programs/user-names.js'
import { localTreeFiles } from '../host/tree-files.js'
import { checkSuffix } from '../kinds/humfs/paths.js'
import { checkHumfsItems, humfsPlan, type WriteHumfsOptions, writeHumfsTree } from '../kinds/humfs/sink.js'
import { type StreamFormat, streamFormats } from '../kinds/stream-formats.js'
import { type TreeFormat, treeFormats } from '../kinds/tree-formats.js'
import { guardNewTree, type NewTreeOptions, newTreeRules } from '../new-tree/make-new-tree.js'
import { importSource } from './import-source.js'

/** Where a manifest comes from: a file, the directory that a tree is in, or bytes that come once. */
export type ImportInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

/** Where paths are as long as with any short name. */
const anyDirectory = 'humfs'

export interface ImportHumfsOptions extends NewTreeOptions {
  readonly from: StreamFormat | TreeFormat
  /** Where the files lie that mtree text, a save file or a pseudo file tells of. */
  readonly tree?: string | undefined
  /** Names or numbers; ourselves where they are not given. */
  readonly owner?: string | number | undefined
  readonly group?: string | number | undefined
  /** Bytes that the guest sees as the size of the file system; twice what is used where it is not given. */
  readonly size?: number | undefined
  /** Directories called `metadata` get this at the end of their name. */
  readonly renameMetadata?: string | undefined
  readonly dryRun?: boolean | undefined
}

const importRules: Rules = {
  ...newTreeRules,
  from: required(oneOf([...streamFormats, ...treeFormats])),
  tree: paths.plain,
  owner: nameOrNumber,
  group: nameOrNumber,
  size: whole(0),
  renameMetadata: text,
  dryRun: flag,
}

function isStream(input: unknown): input is Exclude<ImportInput, string> {
  return typeof input === 'object' && input !== null && 'bytes' in input
}

export interface ImportHumfsResult {
  /** Null where none was given. */
  readonly directory: string | null
  readonly from: StreamFormat | TreeFormat
  /** Names in data, the top included. */
  readonly entries: number
  /** Null after a dry run, which does not see what the host would store. */
  readonly used: number | null
  readonly total: number | null
  readonly uid: number
  readonly gid: number
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

/**
 * Lay a humfs tree out of an archive, of a manifest and the tree that it tells of, or of another tree. It takes no root.
 *
 * An input that can be read twice is looked at as a whole before anything is made.
 *
 * @param directory  is made, or replaced when it is empty; null in a dry run that is to look at the input alone
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE, HUMFS_UNFIT, TARGET_EXISTS,
 *         TARGET_KIND, IN_USE, UNKNOWN_USER, UNKNOWN_GROUP, INPUT_CHANGED, USAGE
 */
export async function importHumfs(
  given: ImportInput | URL,
  place: string | URL | null,
  givenOptions: ImportHumfsOptions,
): Promise<ImportHumfsResult> {
  const input = isStream(given) ? given : textPath('input', given)
  const directory = place === null ? null : textPath('directory', place)
  const options = checkedOptions(givenOptions, importRules)
  const { from, dryRun = false } = options
  if (directory === null && !dryRun) throw new TypeError('a directory is needed but for a dry run')
  const owner = await ownerOf(options)
  if (options.renameMetadata !== undefined) checkSuffix(options.renameMetadata)
  if (directory !== null) guardNewTree(options.treeFiles ?? localTreeFiles, directory)
  const source = await importSource(input, directory, options)
  const sinkOptions: WriteHumfsOptions = { ...options, owner, name: source.name }
  const plan = humfsPlan(sinkOptions)
  const result = { directory: directory === null ? null : printablePath(directory), from, ...owner, dryRun }
  let entries: number | undefined
  if (dryRun || source.isRepeatable) {
    const warnings: string[] = []
    const seen = await checkHumfsItems(
      source.items((message) => warnings.push(message)),
      directory ?? anyDirectory,
      sinkOptions,
      plan,
    )
    if (dryRun) return { ...result, ...seen, used: null, total: null, warnings: [...warnings, ...seen.warnings] }
    entries = seen.entries
    plan.reset()
  }
  const warnings: string[] = []
  const items = source.items((message) => warnings.push(message))
  const made = await writeHumfsTree(items, directory!, { ...sinkOptions, entries }, plan)
  return { ...result, ...made, warnings: [...warnings, ...made.warnings] }
}

async function ownerOf({ owner, group }: ImportHumfsOptions): Promise<{ uid: number; gid: number }> {
  const uid = owner === undefined ? (process.geteuid?.() ?? 0) : await lookUpId('user', `${owner}`)
  const gid = group === undefined ? (process.getegid?.() ?? 0) : await lookUpId('group', `${group}`)
  return { uid, gid }
}
