import type { EntryType } from '../manifest/entry.js'

// A line of "mksquashfs -pf" and "sqfstar -pf":
//   NAME m MODE UID GID              what the tree has gets these
//   NAME d MODE UID GID              a directory is made; and so on:
//   NAME c MODE UID GID MAJOR MINOR  (or b)
//   NAME i MODE UID GID f            (or s: socket)
//   NAME s MODE UID GID TARGET       to the end of the line, as it stands
// With a capital letter a time (seconds, 32 bits) stands before the mode. Modes are octal. A name in double quotes may
// hold blanks; a backslash takes the meaning of what follows it. A backslash at the end of a line joins the next one to
// it, so that no name or target holds a newline. Lines with f, F, r or R run a command or read a file: never written, and
// refused in reading.  Source: squashfs-tools 4.5.1, USAGE and behaviour.

export interface SquashfsDefinition {
  readonly path: Uint8Array
  /** Null for `m`: the tree has it. */
  readonly type: EntryType | null
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly device: { readonly major: number; readonly minor: number } | null
  readonly linkTarget: Uint8Array | null
  /** Null where the line has none: what is made gets the time of the run, what is there keeps its own. */
  readonly mtimeNs: bigint | null
}

export const backslash = 0x5c
export const quote = 0x22
export const newline = 0x0a

export function isBlank(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}
