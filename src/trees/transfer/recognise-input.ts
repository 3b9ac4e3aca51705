import { printablePath } from '../../bytes/escape.js'
import { InputReader } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { kindLength, type RecognisedStream, recogniseStream } from '../../formats/recognise/recognise-stream.js'
import type { HostFiles } from '../../machine/host-files.js'
import { joinPath, pathBytes } from '../../machine/path-bytes.js'
import { shellQuote } from '../../machine/shell-quote.js'
import type { TreeReader } from '../host/tree-reader.js'
import { metadataName } from '../kinds/9p/virtfs-tree.js'
import { superblockName } from '../kinds/humfs/paths.js'
import { type StreamFormat, streamKinds, type TreeFormat } from '../kinds/table.js'

/** The words of an import, for the command that a message suggests. */
export interface ImportWords {
  readonly from: StreamFormat
  /** The path of the input; null for a pipe. */
  readonly path: string | null
  readonly tree: string | undefined
  /** Null if the import makes no tree. */
  readonly directory: string | null
}

/**
 * Pass a stream on, unless it begins as another format than the given one.
 *
 * @throws UmlcowError NOT_ARCHIVE with the command that reads the stream
 */
export async function* recognised(
  source: AsyncIterable<Uint8Array>,
  name: string,
  words: ImportWords,
): AsyncGenerator<Uint8Array> {
  const input = new InputReader(source)
  try {
    const found = recogniseStream(await input.peek(kindLength))
    if (found !== null && found.kind !== words.from) throw otherKind(found, name, words)
    yield* input.rest()
  } finally {
    await input.close()
  }
}

function otherKind(found: RecognisedStream, name: string, words: ImportWords): UmlcowError {
  const { what, hint } = explain(found, words)
  return new UmlcowError('NOT_ARCHIVE', `${name}: ${what}`, { details: { offset: 0 }, hint })
}

function explain(found: RecognisedStream, words: ImportWords): { readonly what: string; readonly hint: string } {
  const { from, path } = words
  const file = path === null ? 'FILE' : shellQuote(path)
  switch (found.kind) {
    case 'compressed': {
      const { name, unpack } = found.by
      const command = path === null ? `... | ${unpack}` : `${unpack} ${file}`
      return { what: `is compressed with ${name}`, hint: `unpack it first: ${command} | ${importCommand(words, from)}` }
    }
    case 'old cpio': {
      const what = `is a cpio archive in the ${found.form} form, and umlcow reads the form "newc"`
      const convert = `bsdtar -cf - --format=newc @${path === null ? '-' : file}`
      return { what, hint: `convert it: ${convert} | ${importCommand({ ...words, tree: undefined }, 'cpio')}` }
    }
    case 'zip':
      return {
        what: 'is a zip archive',
        hint: `convert it: bsdtar -cf - @${path === null ? '-' : file} | ${importCommand({ ...words, tree: undefined }, 'tar')}`,
      }
    case 'squashfs image':
      return {
        what: 'is a squashfs image',
        hint: `unpack it as root: unsquashfs -d TREE ${file}, then use --from directory TREE`,
      }
    case 'disk image': {
      if (path === null) return { what: 'is a disk image', hint: 'give its path, and use --from image' }
      return { what: 'is a disk image', hint: 'use --from image' }
    }
    default:
      return { what: `is ${articles[found.kind]}, and --from says ${from}`, hint: `use --from ${found.kind}` }
  }
}

/** Find out which kind of tree a directory looks like. */
export function treeKindOf(reader: TreeReader, directory: string): TreeFormat {
  const has = (name: string | Buffer) => reader.lstatOrNull(joinPath(pathBytes(directory), name)) !== null
  if (has(metadataName)) return '9p'
  return ['data', superblockName].every(has) ? 'humfs' : 'directory'
}

/** Refuse a file where a directory is read. @throws UmlcowError ENOTDIR with the `--from` that reads the file */
export async function refuseFile(files: HostFiles, reader: TreeReader, path: string, from: TreeFormat): Promise<void> {
  const { kind } = await files.stat(path)
  if (kind === 'directory') return
  const start = kind === 'file' ? reader.readStart(await files.realPath(path), kindLength) : Buffer.of()
  const found = recogniseStream(start)
  const known = found !== null && found.kind in articles
  const hint = known ? `use --from ${found.kind}` : `--from ${Object.keys(streamKinds).join(', ')}: these read a file`
  throw new UmlcowError('ENOTDIR', `${printablePath(path)}: is no directory, and --from says ${from}`, { hint })
}

const articles = {
  tar: 'a tar archive',
  cpio: 'a cpio archive',
  mtree: 'mtree text',
  fakeroot: 'a save file of fakeroot',
} as const

/** Write the command that imports a pipe. */
function importCommand({ tree, directory }: ImportWords, from: StreamFormat): string {
  const content = tree === undefined ? '' : ` --tree ${shellQuote(tree)}`
  const target = directory === null ? '--dry-run -' : `- ${shellQuote(directory)}`
  return `umlcow humfs import --from ${from}${content} ${target}`
}
