import { printablePath } from '../../bytes/escape.js'
import { hasCode, orInterrupted, UmlcowError } from '../../errors.js'
import type { ManifestItem } from '../../formats/manifest/entry.js'
import { localHostFiles } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import { lostInDirectory } from '../attributes/search-losses.js'
import type { StreamBytes, StreamInput } from '../host/file-content.js'
import { treeHostOf } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import { openImageSource } from '../kinds/image/source.js'
import type { StreamSource } from '../kinds/kind.js'
import { isTreeFormat, type StreamFormat, streamKinds, type TreeFormat, treeKinds } from '../kinds/table.js'
import { ContentTree } from '../source/content-tree.js'
import { refuseInTree, refuseInWork } from './guard-output.js'
import type { ImportHumfsOptions, ImportInput } from './import-options.js'
import { recognised, refuseFile, treeKindOf } from './recognise-input.js'

/** The input of an import. */
export interface ImportSource {
  readonly name: string
  readonly isRepeatable: boolean
  /** Looks at the files of a tree before anything is read. @returns warnings about them */
  look(): Promise<readonly string[]>
  items(onWarning: (message: string) => void): AsyncIterable<ManifestItem>
  close?(): Promise<void>
}

/**
 * Open the input of an import.
 *
 * @param directory  place of the new tree, which must not lie in the input; null when no tree is made
 * @throws           UmlcowError USAGE, TARGET_KIND, TARGET_PROTECTED, and errors with the system's code
 */
export async function importSource(
  input: ImportInput,
  directory: string | null,
  options: ImportHumfsOptions,
): Promise<ImportSource> {
  const { from, tree } = options
  if (from === 'image') return await imageSource(input, options)
  const read = [input, tree].filter((one) => typeof one === 'string')
  if (directory !== null) refuseInWork(treeHostOf(options).reader, read, directory)
  return isTreeFormat(from)
    ? await treeSource(from, input, directory, options)
    : streamSource(from, input, directory, options)
}

async function treeSource(
  from: TreeFormat,
  input: ImportInput,
  directory: string | null,
  { tree, files = localHostFiles, reader, signal }: ImportHumfsOptions,
): Promise<ImportSource> {
  if (typeof input !== 'string') throw new UmlcowError('USAGE', `--from ${from} takes a directory`)
  if (tree !== undefined) throw new UmlcowError('USAGE', `--tree: ${from} has its content in itself`)
  await refuseFile(files, treeHostOf({ reader }).reader, input, from)
  const source = treeKinds[from].source(input, { reader, signal })
  if (directory !== null) await refuseInTree(files, source, directory)
  return {
    name: printablePath(input),
    isRepeatable: true,
    async look() {
      await source.survey({ content: true, attributes: true, looksForMarks: true })
      return source.warnings
    },
    items: () => source.items(),
  }
}

/** Open the file system inside an image. The survey of all its files comes before anything is made. */
async function imageSource(input: ImportInput, options: ImportHumfsOptions): Promise<ImportSource> {
  const { tree, image, files, signal } = options
  if (typeof input !== 'string') throw new UmlcowError('USAGE', '--from image takes the path of an image')
  if (tree !== undefined) throw new UmlcowError('USAGE', '--tree: an image has its content in itself')
  const source = await openImageSource(input, { ...image, files, signal })
  return {
    name: printablePath(input),
    isRepeatable: true,
    async look() {
      await source.survey()
      return source.warnings
    },
    items: () => source.items(),
    close: () => source.close(),
  }
}

function streamSource(
  from: StreamFormat,
  input: ImportInput,
  directory: string | null,
  options: ImportHumfsOptions,
): ImportSource {
  const host = treeHostOf(options)
  const reader: StreamSource = streamKinds[from].source
  const isFile = typeof input === 'string'
  const file: StreamInput = isFile ? openStream(host.reader, input) : { isRepeatable: false, read: () => input.bytes }
  const name = isFile ? printablePath(input) : input.name
  const words = { from, path: isFile ? input : null, tree: options.tree, directory }
  const bytes = () => {
    const source = file.read()
    return withSkip(recognised(interruptible(source, options.signal), name, words), source)
  }
  const common = { name, isRepeatable: file.isRepeatable, look: async () => [] }
  if (!reader.needsTree) {
    if (options.tree !== undefined) throw new UmlcowError('USAGE', `--tree: ${from} has its content in itself`)
    return { ...common, items: (onWarning) => reader.read(bytes(), { name, onWarning }) }
  }
  if (options.tree === undefined) {
    if (reader.needsTree === 'optional') {
      return { ...common, items: (onWarning) => reader.read(bytes(), null, { name, onWarning }) }
    }
    throw new UmlcowError('USAGE', `${from} holds no content: --tree DIR says where the files lie`)
  }
  const tree = new ContentTree(options.tree, host.reader)
  if (directory !== null && tree.holds(directoryName(directory))) {
    throw new UmlcowError('TARGET_KIND', `${printablePath(directory)}: lies in the tree that is read`)
  }
  return {
    ...common,
    look: () => lostInDirectory(host.reader, options.tree!, options.signal),
    items: (onWarning) => reader.read(bytes(), tree, { name, onWarning }),
  }
}

/** @throws UmlcowError NOT_A_FILE for a directory, with the kind of tree that it looks like */
function openStream(reader: TreeReader, input: string): StreamInput {
  try {
    return reader.streamInput(input)
  } catch (error) {
    if (!(error instanceof UmlcowError) || !hasCode(error, 'NOT_A_FILE')) throw error
    throw new UmlcowError('NOT_A_FILE', error.message, { hint: `use --from ${treeKindOf(reader, input)}` })
  }
}

/** Let the reader of `pieces` skip bytes of their source. The steps between the two keep no bytes back. */
function withSkip(pieces: AsyncIterable<Uint8Array>, source: StreamBytes): StreamBytes {
  return { [Symbol.asyncIterator]: () => pieces[Symbol.asyncIterator](), skip: (length) => source.skip?.(length) ?? 0 }
}

/** Let a signal end the reading of a pipe, even when its writer is silent. */
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
    // Do not wait for it: the next piece may never come.
    pieces.return?.().catch(() => {})
  }
}
