import { ByteTable } from '../../bytes/byte-table.js'
import { allocate, concatBytes, utf8Bytes } from '../../bytes/fast.js'
import { readWord, writeWord } from '../../bytes/words.js'
import { shownPath } from '../manifest/archive-error.js'
import { locationKey, locationOfKey, type MtreeDirectories, type MtreeLocation } from './directories.js'
import { mtreeError } from './error.js'
import { valuesOf, withLater } from './line.js'
import { type MtreeValues, noValues } from './values.js'

/** All that mtree text says about a path. */
export interface MtreeDefinition {
  readonly path: Uint8Array
  /** The number of the last line about the path. */
  readonly line: number
  readonly values: MtreeValues
}

// A record: the number of lines about the path, 0 for all but the first of them; the number of the line; the index of
// the defaults that hold there (4 bytes each); the words of the line.
const countAt = 0
const lineAt = 4
const defaultsAt = 8
const wordsAt = 12

/**
 * The lines of mtree text by path. Several lines may describe a path, and later values count, so nothing is complete
 * before the end of the text. The list keeps the text of each line, not its values, which would take many times as much.
 */
export class MtreeList {
  private readonly name: string
  private readonly directories: MtreeDirectories
  private readonly lines = new ByteTable()
  private readonly defaults: Readonly<MtreeValues>[] = [noValues]
  /** Memory for the next record. */
  private room: Uint8Array = allocate(1024)

  /** @param name  name of the input, for messages */
  constructor(name: string, directories: MtreeDirectories) {
    this.name = name
    this.directories = directories
  }

  /** Set the defaults of the lines that follow. */
  setDefaults(values: Readonly<MtreeValues>): void {
    this.defaults.push(values)
  }

  /** The defaults of the lines that follow. */
  get currentDefaults(): Readonly<MtreeValues> {
    return this.defaults.at(-1)!
  }

  /** Add a line. @param words  the words after the path */
  add(location: MtreeLocation, line: number, words: Uint8Array): void {
    const length = wordsAt + words.length
    if (this.room.length < length) this.room = allocate(2 * length)
    const record = this.room.subarray(0, length)
    writeWord(record, countAt, 0)
    writeWord(record, lineAt, line)
    writeWord(record, defaultsAt, this.defaults.length - 1)
    record.set(words, wordsAt)
    const key = locationKey(location)
    const first = this.lines.get(key)
    if (first === null) {
      writeWord(record, countAt, 1)
      this.lines.add(key, record)
    } else {
      const count = readWord(first, countAt)
      writeWord(first, countAt, count + 1)
      this.lines.add(furtherKey(key, count), record)
    }
  }

  /**
   * Iterate over the paths in the order of their first lines. It gives null before a path with several lines, once for
   * each of the further ones, so that the caller can rest.
   *
   * @throws UmlcowError BAD_ARCHIVE, ARCHIVE_FEATURE for a word, BAD_ARCHIVE when lines differ in type
   */
  *definitions(): Generator<MtreeDefinition | null> {
    for (const [key, record] of this.lines.entries()) {
      const count = readWord(record, countAt)
      if (count === 0) continue
      const path = this.directories.pathOf(locationOfKey(key))
      let definition = this.definition(path, record)
      for (let i = 1; i < count; i++) {
        definition = this.over(definition, this.definition(path, this.lines.get(furtherKey(key, i))!))
        yield null
      }
      yield definition
    }
  }

  private definition(path: Uint8Array, record: Uint8Array): MtreeDefinition {
    const line = readWord(record, lineAt)
    const defaults = this.defaults[readWord(record, defaultsAt)]!
    const values = valuesOf(record.subarray(wordsAt), defaults, { name: this.name, line })
    return { path, line, values }
  }

  private over(earlier: MtreeDefinition, later: MtreeDefinition): MtreeDefinition {
    const [before, after] = [earlier.values.type, later.values.type]
    if (before !== undefined && after !== undefined && before !== after) {
      const what = `type of ${shownPath(later.path)}: is ${after}, and line ${earlier.line} has ${before}`
      throw mtreeError('BAD_ARCHIVE', { name: this.name, line: later.line }, what, { keyword: 'type' })
    }
    return { ...later, values: withLater(earlier.values, later.values) }
  }
}

/** Make the key of a further line about a path. No name has a NUL. */
function furtherKey(key: Uint8Array, index: number): Uint8Array {
  return concatBytes([key, utf8Bytes(`\0${index}`)])
}
