import { printablePath } from '../../bytes/escape.js'
import { concatBytes, utf8Bytes } from '../../bytes/fast.js'
import { type ErrorDetails, UmlcowError } from '../../errors.js'

export interface ReadOptions {
  /** Name of the input for messages. */
  readonly name?: string | undefined
  /** Called with a message for people when a reader skips something. */
  readonly onWarning?: ((message: string) => void) | undefined
}

/** What a writer takes besides its entries. */
export interface WriteOptions {
  /** Called with a message for people when a writer drops something. */
  readonly onWarning?: ((message: string) => void) | undefined
}

export type ArchiveCode = 'NOT_ARCHIVE' | 'BAD_ARCHIVE' | 'TRUNCATED_ARCHIVE' | 'ARCHIVE_FEATURE' | 'UNSAFE_PATH'

/** The place of an error in an archive. The message shows all that is there. */
export interface ArchivePlace {
  /** The path of the entry, as the archive has it. */
  readonly path?: Uint8Array | undefined
  /** Bytes from the start of the archive. */
  readonly offset?: number | undefined
  readonly line?: number | undefined
}

/** Make an error of a reader. @param hint  what the user can do next */
export function archiveError(
  code: ArchiveCode,
  name: string,
  what: string,
  { path, offset, line }: ArchivePlace = {},
  hint?: string,
): UmlcowError {
  const place = offset !== undefined ? ` at offset ${offset}` : line !== undefined ? ` in line ${line}` : ''
  const details: ErrorDetails = {
    ...(path === undefined ? {} : { path: shownPath(path) }),
    ...(offset === undefined ? {} : { offset }),
    ...(line === undefined ? {} : { line }),
  }
  const entry = path === undefined ? '' : `${shownPath(path)}: `
  return new UmlcowError(code, `${name}: ${entry}${what}${place}`, { details, hint })
}

/** Make the error for a last line without a newline: its text may continue beyond the end of the input. */
export function cutLine(name: string, line: number): UmlcowError {
  return archiveError('TRUNCATED_ARCHIVE', name, 'the end of the input may be missing: no newline', { line })
}

/** Warn about an archive that ends after a whole entry, but without an end mark. All tools read such archives. */
export function warnOfNoEnd({ onWarning }: ReadOptions, name: string): void {
  onWarning?.(`${name}: the archive has no end mark: entries may be missing`)
}

/** Warn about bytes after the end mark of an archive. */
export function warnOfRest({ onWarning }: ReadOptions, name: string): void {
  onWarning?.(`${name}: umlcow does not read the bytes after the end mark of the archive`)
}

/** Make the error for an entry that a format cannot hold. @param path  the path of the entry, in bytes */
export function unfit(path: Uint8Array, what: string, details: ErrorDetails = {}): UmlcowError {
  const shown = shownPath(path)
  return new UmlcowError('ENTRY_UNFIT', `${shown}: ${what}`, { details: { path: shown, ...details } })
}

/** Format a path for a message. */
export function shownPath(path: Uint8Array): string {
  return printablePath(shorten(path)) || '.'
}

/** Shorten a path, which may have 64 KiB, for a message. */
export function shorten(path: Uint8Array): Uint8Array {
  if (path.length <= 400) return path
  return concatBytes([path.subarray(0, 200), utf8Bytes('...'), path.subarray(path.length - 200)])
}

/** Warn about an entry. */
export function warnOf(options: WriteOptions, path: Uint8Array, what: string): void {
  options.onWarning?.(`${shownPath(path)}: ${what}`)
}
