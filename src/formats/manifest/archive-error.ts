import { printablePath } from '../../bytes/escape.js'
import { concatBytes, utf8Bytes } from '../../bytes/fast.js'
import { type ErrorDetails, UmlcowError } from '../../errors.js'

export interface ReadOptions {
  /** Name of the input for messages. */
  readonly name?: string | undefined
  /** Told of what a reader passes over, in words for people. */
  readonly onWarning?: ((message: string) => void) | undefined
}

/** Told of what a writer leaves out, in words for people. */
export interface WriteOptions {
  readonly onWarning?: ((message: string) => void) | undefined
}

export type ArchiveCode = 'NOT_ARCHIVE' | 'BAD_ARCHIVE' | 'TRUNCATED_ARCHIVE' | 'ARCHIVE_FEATURE' | 'UNSAFE_PATH'

/** @param details  `offset` in bytes or `line`, and operands */
export function archiveError(code: ArchiveCode, name: string, what: string, details: ErrorDetails = {}): UmlcowError {
  const { offset, line } = details
  const place = offset !== undefined ? ` at offset ${offset}` : line !== undefined ? ` in line ${line}` : ''
  return new UmlcowError(code, `${name}: ${what}${place}`, { details })
}

/** The text of a line may go on where the input ends. */
export function cutLine(name: string, line: number): UmlcowError {
  return archiveError('TRUNCATED_ARCHIVE', name, 'no newline, so that the end may be missing', { line })
}

/** Told of what follows the end of an archive. */
export function warnOfRest({ onWarning }: ReadOptions, name: string): void {
  onWarning?.(`${name}: what follows the end mark of the archive is not read`)
}

/** @param path  of the entry, in bytes */
export function unfit(path: Uint8Array, what: string, details: ErrorDetails = {}): UmlcowError {
  const shown = shownPath(path)
  return new UmlcowError('ENTRY_UNFIT', `${shown}: ${what}`, { details: { path: shown, ...details } })
}

/** A path as messages have it. */
export function shownPath(path: Uint8Array): string {
  return printablePath(shorten(path)) || '.'
}

/** A message is no place for a path of 64 KiB. */
export function shorten(path: Uint8Array): Uint8Array {
  if (path.length <= 400) return path
  return concatBytes([path.subarray(0, 200), utf8Bytes('...'), path.subarray(path.length - 200)])
}

/** A warning about an entry. */
export function warnOf(options: WriteOptions, path: Uint8Array, what: string): void {
  options.onWarning?.(`${shownPath(path)}: ${what}`)
}
