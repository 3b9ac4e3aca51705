import { equalBytes, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import { nextTurn } from '../../bytes/next-turn.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { ReadOptions } from '../manifest/archive-error.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'
import { MtreeDirectories } from './directories.js'
import { MtreeEntries, type MtreeItem } from './entries.js'
import { type MtreePlace, missingKeyword, mtreeError } from './error.js'
import { linesPerTurn, type MtreeLine, mtreeLines } from './input.js'
import { firstWord, valuesOf, withoutWords, wordsOf } from './line.js'
import { MtreeList } from './list.js'
import { MtreeNames } from './names.js'
import { MtreeOwners, needsLookUp } from './owners.js'
import type { FindOwner, MtreeTree } from './tree.js'
import { noValues } from './values.js'

export interface MtreeReadOptions extends ReadOptions {
  /** The tree that the text describes. Without it, the text must say all. */
  readonly tree?: MtreeTree | undefined
  /** Looks up `uname` and `gname`. Without it, the text must have `uid` and `gid`. */
  readonly findOwner?: FindOwner | undefined
}

type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/**
 * Read the entries of mtree text: libarchive's form, with paths from the top, or the older form of mtree(8), where the
 * line of a directory enters it and `..` leaves it. The entries come in the order of their first lines.
 *
 * Several lines may describe a path: later values count, as do the defaults of later lines. Lines with the same `inode`
 * and `resdevice` are names of one file; without `inode`, names that are one file in the tree are. With `nlink=1`, they
 * are not. The reader keeps the text, and the paths of files with several names.
 *
 * `mode` and the owner are required, but not the mode of a symbolic link. `type`, `device` and `link` may come from the
 * tree. A missing time is 1970.
 *
 * @throws UmlcowError NOT_ARCHIVE when the first line is not mtree text, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH,
 *         ARCHIVE_FEATURE for an unknown keyword, INPUT_CHANGED when a file of the tree has another size,
 *         UNKNOWN_USER, UNKNOWN_GROUP, and what `tree` throws
 */
export async function* readMtree(source: Source, options: MtreeReadOptions = {}): AsyncGenerator<ManifestEntry> {
  for await (const { entry } of readMtreeItems(source, options)) yield entry
}

/** Read the entries of mtree text as `readMtree` does, with what it says about their content. */
export async function* readMtreeItems(source: Source, options: MtreeReadOptions): AsyncGenerator<MtreeItem> {
  const { name = 'mtree text' } = options
  const list = await readList(source, name, options.tree)
  const entries = new MtreeEntries(name, options)
  const owners = options.findOwner === undefined ? null : new MtreeOwners(options.findOwner)
  let count = 0
  for (const definition of list.definitions()) {
    if (++count % linesPerTurn === 0) await nextTurn()
    if (definition === null) continue
    if (owners !== null && needsLookUp(definition)) await owners.complete(definition, { name, line: definition.line })
    const item = entries.complete(definition)
    if (item !== null) yield item
  }
}

async function readList(source: Source, name: string, tree: MtreeTree | undefined): Promise<MtreeList> {
  const reader = new ListReader(name, tree)
  try {
    for await (const line of mtreeLines(source, name)) reader.read(line)
    return reader.end()
  } catch (error) {
    throw reader.isKnown ? error : otherFormat(error, name)
  }
}

/** An error before the first good line says that the input has another format. */
function otherFormat(error: unknown, name: string): unknown {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'BAD_ARCHIVE', 'ARCHIVE_FEATURE')) return error
  const message = `${name}: not mtree text: ${error.message.slice(name.length + 2)}`
  return new UmlcowError('NOT_ARCHIVE', message, { details: error.details })
}

class ListReader {
  /** The text has shown that it is mtree text. */
  isKnown = false
  private readonly name: string
  private readonly tree: MtreeTree | undefined
  private readonly list: MtreeList
  private readonly names: MtreeNames
  private line = 0

  constructor(name: string, tree: MtreeTree | undefined) {
    this.name = name
    this.tree = tree
    const directories = new MtreeDirectories()
    this.list = new MtreeList(name, directories)
    this.names = new MtreeNames(directories)
  }

  read({ line, text }: MtreeLine): void {
    this.line = line
    const [first, rest] = firstWord(text)
    if (first.length === 0) return
    if (first[0] === 0x23) this.isKnown ||= equalBytes(first, utf8Bytes('#mtree'))
    else this.command(first, rest)
  }

  /** Refuse a text without entries: a program that failed leaves an empty file. */
  end(): MtreeList {
    if (!this.isKnown) throw mtreeError('BAD_ARCHIVE', this.place, 'the end comes before the first entry')
    return this.list
  }

  private get place(): MtreePlace {
    return { name: this.name, line: this.line }
  }

  private command(first: Uint8Array, rest: Uint8Array): void {
    const { list, place } = this
    const command = latin1Text(first, 0, Math.min(first.length, 8))
    if (command === '/set') list.setDefaults(valuesOf(rest, list.currentDefaults, place))
    else if (command === '/unset') list.setDefaults(withoutWords(rest, list.currentDefaults, place))
    else if (command === '..') this.names.leave(place)
    else this.entry(first, rest)
  }

  private entry(first: Uint8Array, rest: Uint8Array): void {
    const { list, place } = this
    if (!this.isKnown) this.checkFirst(rest)
    const location = this.names.enter(first, place, (path) => this.typeOf(path, rest))
    list.add(location, this.line, rest)
    this.isKnown = true
  }

  /** The first entry decides whether this is mtree text: it needs a keyword, and knows all of them. */
  private checkFirst(rest: Uint8Array): void {
    const { currentDefaults } = this.list
    valuesOf(rest, currentDefaults, this.place)
    const hasKeyword = currentDefaults !== noValues || !wordsOf(rest).next().done
    if (!hasKeyword) throw mtreeError('BAD_ARCHIVE', this.place, 'a name without keywords')
  }

  /** Find the type of a name in the current directory: a directory changes what the next names mean. */
  private typeOf(path: () => Uint8Array, rest: Uint8Array): EntryType {
    const { currentDefaults } = this.list
    let said = currentDefaults.type
    for (const word of wordsOf(rest)) {
      if (isTypeWord(word)) said = valuesOf(word, noValues, this.place).type
    }
    const type = said ?? this.tree?.find(path())?.type
    if (type === undefined) throw missingKeyword('type', path(), this.place, ', and the tree does not have it')
    return type
  }
}

function isTypeWord(word: Uint8Array): boolean {
  return word[0] === 0x74 && latin1Text(word, 0, Math.min(word.length, 5)) === 'type='
}
