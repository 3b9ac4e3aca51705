import { parseInteger } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { maxMajor, maxMinor } from '../manifest/device.js'

// A metadata entry of humfs: one line of text, all numbers decimal.
// Source: Linux fs/hostfs/meta_fs.c of the UML patches
// MODE UID GID                       files, directories, links, and real FIFOs
// MODE UID GID TYPE MAJOR MINOR      TYPE is c, b, p or s; the kernel writes `p 0 0` and `s 0 0`
// The kernel reads the first 37 bytes, accepts exactly 3 fields or at least 6, and ignores everything after the sixth.
// It reads ids as signed numbers, and writes ids from 2^31 on as negative ones.

export type NodeLetter = 'c' | 'b' | 'p' | 's'

export interface MetadataNode {
  readonly letter: NodeLetter
  readonly major: number
  readonly minor: number
}

export interface MetadataEntry {
  /** 0 to 07777, without the bits of the type. */
  readonly mode: number
  /** 0 to 2^32 - 1. */
  readonly uid: number
  readonly gid: number
  readonly node: MetadataNode | null
}

export interface ParsedMetadata extends MetadataEntry {
  /** The line has more bytes than the kernel reads. */
  readonly isTooLong: boolean
}

const blank = 0x20
const newline = 0x0a

/** The kernel reads this many bytes. */
export const longestEntry = 37
/** Room for entries that the kernel would cut. A longer file is not an entry. */
export const longestMetadataFile = 256

function bad(message: string): UmlcowError {
  return new UmlcowError('HUMFS_ENTRY', message)
}

/**
 * Parse an entry. The numbers are whole, even where the kernel would cut them.
 *
 * @throws UmlcowError HUMFS_ENTRY
 */
export function parseMetadata(bytes: Uint8Array): ParsedMetadata {
  const plain = plainEntry(bytes)
  if (plain !== null) return plain
  if (bytes.length > longestMetadataFile) throw bad(`more than ${longestMetadataFile} bytes`)
  const text = latin1Text(bytes)
  const end = text.indexOf('\n')
  if (end >= 0 && end !== text.length - 1) throw bad(`more than one line: ${JSON.stringify(text)}`)
  const line = end < 0 ? text : text.slice(0, end)
  const fields = line.split(' ').filter((field) => field !== '')
  if (fields.length !== 3 && fields.length < 6) throw bad(`expected 3 or 6 fields, got ${JSON.stringify(text)}`)
  const [mode, uid, gid, ...rest] = fields
  return {
    mode: numberIn(mode!, 'mode', 0, 0o7777),
    uid: idOf(uid!, 'uid'),
    gid: idOf(gid!, 'gid'),
    node: rest.length === 0 ? null : nodeOf(rest),
    isTooLong: line.length > longestEntry,
  }
}

/** Parse the form of nearly all entries: three numbers of digits alone, and a newline. @returns null for any other */
function plainEntry(bytes: Uint8Array): ParsedMetadata | null {
  const end = bytes.length - 1
  if (end > longestEntry || bytes[end] !== newline) return null
  const gap = bytes.indexOf(blank)
  const nextGap = bytes.indexOf(blank, gap + 1)
  const mode = plainNumber(bytes, 0, gap, 0o7777)
  const uid = plainNumber(bytes, gap + 1, nextGap, 2 ** 32 - 1)
  const gid = plainNumber(bytes, nextGap + 1, end, 2 ** 32 - 1)
  if (mode < 0 || uid < 0 || gid < 0) return null
  return { mode, uid, gid, node: null, isTooLong: false }
}

/** @returns -1 for anything but digits of a number up to `limit` */
function plainNumber(bytes: Uint8Array, start: number, end: number, limit: number): number {
  if (end <= start || end - start > 10) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= limit ? value : -1
}

function nodeOf([letter, major, minor]: readonly string[]): MetadataNode {
  if (letter !== 'c' && letter !== 'b' && letter !== 'p' && letter !== 's') {
    throw bad(`unknown type ${JSON.stringify(letter)}`)
  }
  return {
    letter,
    major: numberIn(major!, 'major number', 0, maxMajor),
    minor: numberIn(minor!, 'minor number', 0, maxMinor),
  }
}

function numberIn(text: string, what: string, from: number, to: number): number {
  const value = isShortNumber(text) ? Number(text) : Number(parseInteger(latin1Bytes(text)) ?? Number.NaN)
  if (value >= from && value <= to) return value
  throw bad(`expected a ${what}, got ${JSON.stringify(text)}`)
}

/** True for most numbers: these need no big integer. */
function isShortNumber(text: string): boolean {
  if (text.length > 15) return false
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return false
  return text !== ''
}

/** Parse an id. A guest writes ids of 2^31 and more as negative numbers. */
function idOf(text: string, what: string): number {
  return numberIn(text, what, -(2 ** 31), 2 ** 32 - 1) >>> 0
}

/**
 * Write the line of an entry, byte for byte as the Perl tool does.
 *
 * @throws UmlcowError HUMFS_ENTRY_TOO_LONG when the kernel would cut it
 */
export function serializeMetadata(entry: MetadataEntry): Uint8Array {
  return latin1Bytes(metadataLine(entry))
}

/** Format the line of an entry as text, which is ASCII. @throws UmlcowError HUMFS_ENTRY_TOO_LONG, see above */
export function metadataLine({ mode, uid, gid, node }: MetadataEntry): string {
  const line = `${mode} ${uid} ${gid}${node === null ? '' : ` ${node.letter} ${node.major} ${node.minor}`}`
  if (line.length > longestEntry) {
    throw new UmlcowError(
      'HUMFS_ENTRY_TOO_LONG',
      `its metadata takes ${line.length} bytes, and the kernel reads ${longestEntry}: ${line}`,
    )
  }
  return `${line}\n`
}
