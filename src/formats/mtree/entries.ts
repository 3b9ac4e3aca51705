import { latin1Bytes } from '../../bytes/fast.js'
import { type ReadOptions, shownPath } from '../manifest/archive-error.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'
import { safePath } from '../manifest/path.js'
import { attributesInText, attributesInTree } from './attributes.js'
import type { MtreeDigests } from './digests.js'
import { type MtreePlace, mtreeError, otherFileHint, shownWord } from './error.js'
import { type Identity, identityInText, identityInTree, MtreeLinks } from './links.js'
import type { MtreeDefinition } from './list.js'
import type { MtreeAttributes, MtreeFile, MtreeTree } from './tree.js'
import { type MtreeValues, noValues } from './values.js'

/** An entry, and what the text says about its content. */
export interface MtreeItem {
  readonly entry: ManifestEntry
  /** Where the content of a file is in the tree. */
  readonly contentPath: Uint8Array
  /** The digests that the content must have. */
  readonly digests: MtreeDigests | undefined
  /** The number of the line, for messages. */
  readonly line: number
}

interface Options extends ReadOptions {
  readonly tree?: MtreeTree | undefined
}

/** Makes entries from definitions and the tree. */
export class MtreeEntries {
  private readonly name: string
  private readonly tree: MtreeTree | undefined
  private readonly onWarning: ReadOptions['onWarning']
  private readonly links = new MtreeLinks()
  private hasToldFlags = false

  /** @param name  name of the input, for messages */
  constructor(name: string, { tree, onWarning }: Options) {
    this.name = name
    this.tree = tree
    this.onWarning = onWarning
  }

  /** Make an entry. @returns null for an optional one that the tree lacks */
  complete(definition: MtreeDefinition): MtreeItem | null {
    const { path, line, values } = definition
    const place = { name: this.name, line }
    const contentPath = values.contents === undefined ? path : contentPathOf(values.contents, place)
    if (values.isOptional && this.tree?.find(contentPath) === null) {
      this.onWarning?.(`${this.name}: line ${line}: ${shownPath(path)} is optional and missing in the tree: left out`)
      return null
    }
    if (values.isNochange) {
      return this.item(path, noValues, contentPath, attributesInTree(definition, place, this.tree), place)
    }
    if (values.flags) this.warnOfFlags(path, values.flags, place)
    return this.item(path, values, contentPath, attributesInText(definition, place, this.tree), place)
  }

  private item(
    path: Uint8Array,
    values: Readonly<MtreeValues>,
    contentPath: Uint8Array,
    attributes: MtreeAttributes,
    place: MtreePlace,
  ): MtreeItem {
    const { type, mode, uid, gid, device, linkTarget, mtimeNs } = attributes
    if (path.length === 0 && type !== 'directory') throw mtreeError('UNSAFE_PATH', place, 'an entry without a name')
    const isFile = type === 'file'
    if (!isFile && values.digests !== undefined) throw digestsOf(path, type, place)
    const inText = type === 'directory' ? null : identityInText(values)
    let hardLinkTo = inText === null ? null : this.links.further(path, inText, attributes, values.digests, place)
    const file = hardLinkTo === null ? this.fileOf(path, contentPath, type, values, inText) : null
    const inTree = file === null || inText !== null || isAlone(values) ? null : identityInTree(file)
    if (inTree !== null) hardLinkTo = this.links.further(path, inTree, attributes, values.digests, place)
    const size = isFile ? sizeOf(path, values, file, place) : 0
    const entry = { path, type, mode, uid, gid, device, linkTarget, hardLinkTo, size, mtimeNs, xattrs: null }
    return { entry, contentPath, digests: values.digests, line: place.line }
  }

  /** Look at the file of the tree: for its size, and to find out whether it has other names. */
  private fileOf(
    path: Uint8Array,
    contentPath: Uint8Array,
    type: EntryType,
    values: Readonly<MtreeValues>,
    inText: Identity | null,
  ): MtreeFile | null {
    if (type === 'directory' || this.tree === undefined) return null
    if (type === 'file') return this.tree.file(contentPath)
    return inText !== null || isAlone(values) ? null : this.tree.find(path)
  }

  private warnOfFlags(path: Uint8Array, flags: string, { line }: MtreePlace): void {
    if (this.hasToldFlags) return
    this.hasToldFlags = true
    const what = `${shownPath(path)} has the file flags ${shownWord(latin1Bytes(flags))}`
    this.onWarning?.(`${this.name}: line ${line}: ${what}; umlcow drops all file flags of the list`)
  }
}

/** True when the tree does not decide whether an entry is a name of a file with several names. */
function isAlone({ nlink, contents }: Readonly<MtreeValues>): boolean {
  return nlink === 1 || contents !== undefined
}

/** Make the path of the content. @throws UmlcowError UNSAFE_PATH when it leads out of the tree */
function contentPathOf(contents: Uint8Array, place: MtreePlace): Uint8Array {
  if (contents[0] !== 0x2f) return safePath(contents, place.name, place)
  const what = `contents ${shownWord(contents)} is not relative to the tree; remove the slash at its start`
  throw mtreeError('UNSAFE_PATH', place, what, { keyword: 'contents' })
}

/** Get the size of a file. @throws UmlcowError INPUT_CHANGED when the tree has another one than the text */
function sizeOf(path: Uint8Array, { size }: Readonly<MtreeValues>, file: MtreeFile | null, place: MtreePlace): number {
  if (file === null) return size ?? 0
  if (size === undefined || size === file.size) return file.size
  const what = `size of ${shownPath(path)}: expected ${size} bytes, got ${file.size} in the tree; ${otherFileHint}`
  throw mtreeError('INPUT_CHANGED', place, what, { keyword: 'size', expected: size, path: shownPath(path) })
}

function digestsOf(path: Uint8Array, type: EntryType, place: MtreePlace) {
  return mtreeError('BAD_ARCHIVE', place, `${shownPath(path)} is a ${type}, and only a file has a digest`)
}
