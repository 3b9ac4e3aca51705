import type { EntryType } from '../manifest/entry.js'

// A line of "mksquashfs -pf" and "sqfstar -pf":
//   NAME m MODE UID GID              changes an entry of the tree
//   NAME d MODE UID GID              makes a directory; the others make:
//   NAME c MODE UID GID MAJOR MINOR  (or b)
//   NAME i MODE UID GID f            (or s: socket)
//   NAME s MODE UID GID TARGET       the target goes to the end of the line, unchanged
// After a capital letter, a time (seconds, 32 bits) stands before the mode. Modes are octal. A name in double quotes
// may hold blanks. A backslash escapes the next byte. At the end of a line it joins the next line, so no name or target
// can hold a newline. Lines with f, F, r or R run a command or read a file: umlcow never writes them, and refuses to
// read them.  Source: squashfs-tools 4.5.1, USAGE and behaviour.

export interface SquashfsDefinition {
  readonly path: Uint8Array
  /** Null for `m`: the tree has the entry and its type. */
  readonly type: EntryType | null
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly device: { readonly major: number; readonly minor: number } | null
  readonly linkTarget: Uint8Array | null
  /** Null when the line has none: a new entry then gets the time of the run, and an entry of the tree keeps its own. */
  readonly mtimeNs: bigint | null
}

export const backslash = 0x5c
export const quote = 0x22
export const newline = 0x0a

/** True for the bytes that separate words. */
export function isBlank(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}
