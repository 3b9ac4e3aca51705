import { escapeText } from '../../bytes/escape.js'
import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import { type MtreePlace, mtreeError, shownWord } from './error.js'
import { findKeyword, type Keyword } from './keywords.js'
import { type MtreeValues, noValues } from './values.js'

const numberSign = 0x23
const equalsSign = 0x3d

/** Cut the first word off a line. It is empty for an empty line. */
export function firstWord(line: Uint8Array): readonly [first: Uint8Array, rest: Uint8Array] {
  const start = wordStart(line, 0)
  const end = wordEnd(line, start)
  return [line.subarray(start, end), line.subarray(end)]
}

/** Split a line into words, at blanks and tabs, up to a comment. */
export function* wordsOf(line: Uint8Array): Generator<Uint8Array> {
  for (let start = wordStart(line, 0); isWord(line, start); ) {
    const end = wordEnd(line, start)
    yield line.subarray(start, end)
    start = wordStart(line, end)
  }
}

function isWord(line: Uint8Array, start: number): boolean {
  return start < line.length && line[start] !== numberSign
}

function wordStart(line: Uint8Array, from: number): number {
  let at = from
  while (at < line.length && isBlank(line[at]!)) at++
  return at
}

function wordEnd(line: Uint8Array, from: number): number {
  let at = from
  while (at < line.length && !isBlank(line[at]!)) at++
  return at
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d
}

/**
 * Read the words `keyword` and `keyword=value` of a line, over its defaults.
 *
 * An owner in the line, as a number or as a name, replaces the one in the defaults. Within the line the number counts.
 *
 * @throws UmlcowError BAD_ARCHIVE for a value, ARCHIVE_FEATURE for a keyword that umlcow does not know
 */
export function valuesOf(line: Uint8Array, defaults: Readonly<MtreeValues>, place: MtreePlace): MtreeValues {
  const values = { ...defaults, uid: undefined, gid: undefined, uname: undefined, gname: undefined }
  for (let start = wordStart(line, 0); isWord(line, start); ) {
    const end = wordEnd(line, start)
    applyWord(line, start, end, values, place)
    start = wordStart(line, end)
  }
  return withOwners(values, defaults)
}

function withOwners(values: MtreeValues, earlier: Readonly<MtreeValues>): MtreeValues {
  if (values.uid !== undefined) values.uname = undefined
  else if (values.uname === undefined) [values.uid, values.uname] = [earlier.uid, earlier.uname]
  if (values.gid !== undefined) values.gname = undefined
  else if (values.gname === undefined) [values.gid, values.gname] = [earlier.gid, earlier.gname]
  return values
}

/** Put the values of a later line over those of an earlier one. */
export function withLater(earlier: Readonly<MtreeValues>, later: Readonly<MtreeValues>): MtreeValues {
  const values = { ...earlier }
  for (const field of fields) copyField(field, later, values)
  if (later.digests !== undefined) values.digests = { ...earlier.digests, ...later.digests }
  const { uid, gid, uname, gname } = later
  return withOwners({ ...values, uid, gid, uname, gname }, earlier)
}

const fields = Object.keys(noValues) as (keyof MtreeValues)[]

function copyField<F extends keyof MtreeValues>(field: F, from: Readonly<MtreeValues>, to: MtreeValues): void {
  if (from[field] !== undefined) to[field] = from[field]
}

/** Remove keywords, or all, from the defaults, as `/unset` does. @throws UmlcowError ARCHIVE_FEATURE */
export function withoutWords(line: Uint8Array, defaults: Readonly<MtreeValues>, place: MtreePlace): MtreeValues {
  let values = { ...defaults }
  for (const word of wordsOf(line)) {
    const name = latin1Text(word, 0, Math.min(word.length, longestShown))
    const { field } = name === 'all' ? { field: null } : keywordOf(name, place)
    if (name === 'all') values = { ...noValues }
    else if (field !== null) values[field] = undefined
  }
  return values
}

/** Bytes of a keyword to look at: more than any keyword has. */
const longestShown = 64

function applyWord(line: Uint8Array, start: number, end: number, values: MtreeValues, place: MtreePlace): void {
  const found = indexOfByte(line, equalsSign, start)
  const equals = found < 0 || found > end ? end : found
  const keyword = keywordOf(latin1Text(line, start, Math.min(equals, start + longestShown)), place)
  const value = equals === end ? null : line.subarray(equals + 1, end)
  if (!keyword.apply(value, values)) throw badValue(keyword, value, place)
}

function badValue({ name, expected }: Keyword, value: Uint8Array | null, place: MtreePlace) {
  const what = value === null ? `${name} has no value` : `cannot read ${name} ${shownWord(value)}`
  const details = value === null ? { keyword: name } : { keyword: name, value: latin1Text(value, 0, 400) }
  return mtreeError('BAD_ARCHIVE', place, `${what}: expected ${expected}`, details)
}

function keywordOf(name: string, place: MtreePlace): Keyword {
  const keyword = findKeyword(name)
  if (keyword !== null) return keyword
  const what = `umlcow does not know the keyword "${escapeText(name)}"; remove it if you do not need it`
  throw mtreeError('ARCHIVE_FEATURE', place, what, { keyword: name })
}
