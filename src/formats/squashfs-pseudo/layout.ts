import type { DeviceNumber, EntryType } from '../manifest/entry.js'

// A line of "mksquashfs -pf" and "sqfstar -pf":
//   NAME m MODE UID GID              changes an entry of the tree
//   NAME d MODE UID GID              makes a directory; the others make:
//   NAME c MODE UID GID MAJOR MINOR  (or b)
//   NAME i MODE UID GID f            (or s: socket)
//   NAME s MODE UID GID TARGET       the target goes to the end of the line, unchanged
//   NAME R TIME MODE UID GID LENGTH OFFSET [SPARSE]  a file; its content is in the data section
//   NAME L NAME                      a further name of what a line before makes
//   NAME x NAME=VALUE                an extended attribute (from 4.6)
// The capital of m, d, c, b, i or s has a time (seconds, 32 bits) before the mode. Modes are octal. Owners are numbers,
// or names of the host. Double quotes may hold blanks. A backslash escapes the next byte. At the end of a line it joins
// the next line, so no name or target can hold a newline. A line that begins with # is a comment.
// These are never written, and refused when read: f and F run a command; l and h read a file of the host.
//
// The data section is the rest of the file after the lines "# START OF DATA - DO NOT MODIFY" and "#". OFFSET counts
// from its start. "unsquashfs -pf" writes R and L lines and the data section.
// Source: squashfs-tools 4.5.1 and 4.6, README and USAGE, and behaviour of 4.5.1.

/** A line that changes or makes an entry. */
export interface SquashfsDefinition {
  readonly kind: 'definition'
  readonly line: number
  readonly path: Uint8Array
  /** Null for `m`: the tree has the entry and its type. */
  readonly type: EntryType | null
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly device: DeviceNumber | null
  readonly linkTarget: Uint8Array | null
  /** The place of the content in the data section; null for all but files. */
  readonly data: SquashfsData | null
  /** Null when the line has none: a new entry then gets the time of the run, and an entry of the tree keeps its own. */
  readonly mtimeNs: bigint | null
}

/** Bytes of the data section. */
export interface SquashfsData {
  readonly length: number
  readonly offset: number
}

/** A further name of an entry. */
export interface SquashfsLink {
  readonly kind: 'link'
  readonly line: number
  readonly path: Uint8Array
  readonly first: Uint8Array
}

/** An extended attribute of an entry. */
export interface SquashfsAttribute {
  readonly kind: 'attribute'
  readonly line: number
  readonly path: Uint8Array
  readonly name: Uint8Array
}

export type SquashfsLine = SquashfsDefinition | SquashfsLink | SquashfsAttribute

/** The comment before the data section. One more line, with `#` alone, follows it. */
export const dataMarker = '# START OF DATA - DO NOT MODIFY'

export const backslash = 0x5c
export const quote = 0x22
export const newline = 0x0a
export const hash = 0x23

/** True for the bytes that separate words. */
export function isBlank(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}
