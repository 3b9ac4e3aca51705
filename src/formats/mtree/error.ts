import { printablePath } from '../../bytes/escape.js'
import { type ErrorCode, type ErrorDetails, UmlcowError } from '../../errors.js'
import { shorten, shownPath } from '../manifest/archive-error.js'

/** A line of mtree text, for messages. */
export interface MtreePlace {
  /** Name of the input. */
  readonly name: string
  /** Number of the line, from 1. */
  readonly line: number
}

/** Make an error about a line of mtree text. */
export function mtreeError(
  code: ErrorCode,
  { name, line }: MtreePlace,
  what: string,
  details: ErrorDetails = {},
): UmlcowError {
  return new UmlcowError(code, `${name}: line ${line}: ${what}`, { details: { line, ...details } })
}

/** Make the error for a keyword that an entry needs. @param instead  what else would do */
export function missingKeyword(keyword: string, path: Uint8Array, place: MtreePlace, instead = ''): UmlcowError {
  const what = `${shownPath(path)} has no ${keyword}${instead}; add it to the line, or to a line /set before it`
  return mtreeError('BAD_ARCHIVE', place, what, { keyword, path: shownPath(path) })
}

/** What to do when the tree does not have the file that a line describes. */
export const otherFileHint = 'restore the file, or make the list again'

/** Format a word of the text for a message. */
export function shownWord(word: Uint8Array): string {
  return `"${printablePath(shorten(word))}"`
}
