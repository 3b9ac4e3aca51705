import { printablePath } from '../bytes/escape.js'
import { orInterrupted, UmlcowError } from '../errors.js'
import type { ManifestItem } from '../formats/manifest/entry.js'
import { directoryName } from '../host/path-bytes.js'
import { localTreeFiles } from '../host/tree-files.js'
import { type InputFile, inputFile } from '../host/tree-input.js'
import { lookUpId } from '../host/user-names.js'
import { checkSuffix } from '../humfs/humfsify-options.js'
import { ContentTree } from './content-tree.js'
import { checkHumfsItems, humfsPlan, type WriteHumfsOptions, writeHumfsTree } from './humfs-sink.js'
import { guardNewTree, type NewTreeOptions } from './new-tree.js'
import type { StreamFormat } from './stream-formats.js'
import { type StreamReader, streamReaders } from './stream-readers.js'

/** Where an archive comes from: a file, or bytes that come once. */
export type ImportInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

export interface ImportHumfsOptions extends NewTreeOptions {
  readonly from: StreamFormat
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

export interface ImportHumfsResult {
  readonly directory: string
  readonly from: StreamFormat
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
 * Lay a humfs tree out of an archive, or of a manifest and the tree that it tells of. It takes no root.
 *
 * An input that can be read twice is looked at as a whole before anything is made.
 *
 * @param directory  is made, or replaced when it is empty
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE, HUMFS_UNFIT, TARGET_EXISTS,
 *         TARGET_KIND, IN_USE, UNKNOWN_USER, UNKNOWN_GROUP, INPUT_CHANGED, USAGE
 */
export async function importHumfs(
  input: ImportInput,
  directory: string,
  options: ImportHumfsOptions,
): Promise<ImportHumfsResult> {
  const { from, dryRun = false } = options
  const owner = await ownerOf(options)
  if (options.renameMetadata !== undefined) checkSuffix(options.renameMetadata)
  guardNewTree(options.treeFiles ?? localTreeFiles, directory)
  const source = sourceOf(input, directory, options)
  const sinkOptions: WriteHumfsOptions = { ...options, owner, name: source.name }
  const plan = humfsPlan(sinkOptions)
  const result = { directory: printablePath(directory), from, ...owner, dryRun }
  let entries: number | undefined
  if (dryRun || source.isRepeatable) {
    const warnings: string[] = []
    const seen = await checkHumfsItems(
      source.items((message) => warnings.push(message)),
      directory,
      sinkOptions,
      plan,
    )
    if (dryRun) return { ...result, ...seen, used: null, total: null, warnings: [...warnings, ...seen.warnings] }
    entries = seen.entries
    plan.reset()
  }
  const warnings: string[] = []
  const items = source.items((message) => warnings.push(message))
  const made = await writeHumfsTree(items, directory, { ...sinkOptions, entries }, plan)
  return { ...result, ...made, warnings: [...warnings, ...made.warnings] }
}

async function ownerOf({ owner, group }: ImportHumfsOptions): Promise<{ uid: number; gid: number }> {
  const uid = owner === undefined ? (process.geteuid?.() ?? 0) : await lookUpId('user', `${owner}`)
  const gid = group === undefined ? (process.getegid?.() ?? 0) : await lookUpId('group', `${group}`)
  return { uid, gid }
}

interface ItemSource {
  readonly name: string
  readonly isRepeatable: boolean
  items(onWarning: (message: string) => void): AsyncIterable<ManifestItem>
}

function sourceOf(input: ImportInput, directory: string, options: ImportHumfsOptions): ItemSource {
  const reader: StreamReader = streamReaders[options.from]
  const isFile = typeof input === 'string'
  const file: InputFile = isFile ? inputFile(input) : { isRepeatable: false, read: () => input.bytes }
  const name = isFile ? printablePath(input) : input.name
  const bytes = () => interruptible(file.read(), options.signal)
  if (!reader.needsTree) {
    if (options.tree !== undefined) throw new UmlcowError('USAGE', `--tree: ${options.from} has its content in itself`)
    return { name, isRepeatable: file.isRepeatable, items: (onWarning) => reader.read(bytes(), { name, onWarning }) }
  }
  if (options.tree === undefined) {
    throw new UmlcowError('USAGE', `${options.from} holds no content: --tree DIR says where the files lie`)
  }
  const tree = new ContentTree(options.tree)
  if (tree.holds(directoryName(directory))) {
    throw new UmlcowError('TARGET_KIND', `${printablePath(directory)}: lies in the tree that is read`)
  }
  return {
    name,
    isRepeatable: file.isRepeatable,
    items: (onWarning) => reader.read(bytes(), tree, { name, onWarning }),
  }
}

/** A pipe whose writer is silent must not keep a signal from coming through. */
async function* interruptible(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await orInterrupted(Promise.resolve(pieces.next()), signal)
      if (next.done) return
      yield next.value
    }
  } finally {
    // Not waited for: it may be the piece that never comes.
    pieces.return?.().catch(() => {})
  }
}
