import { parseDigits } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'

// The superblock of a humfs tree: text, one item a line, in any order.
// Source: Linux fs/hostfs/humfs.c of the UML patches
// version 2             the only version; the kernel accepts a missing line
// metadata shadow_fs    the only kind, and the default
// used N                bytes, decimal, not 0; the kernel never changes it
// total N               bytes, decimal, not less than used

export interface HumfsSuperblock {
  readonly used: number
  readonly total: number
}

export interface ParsedSuperblock extends HumfsSuperblock {
  /** Faults that the kernel accepts. */
  readonly warnings: readonly string[]
}

/** The kernel's buffer for a line has 64 bytes: 62 bytes, a newline and a NUL. */
const longestLine = 62
/** A superblock has at most four lines. A longer file is something else. */
export const longestSuperblock = 1024

const smallestUsed = 4096

type Item = 'version' | 'metadata' | 'used' | 'total'

function bad(message: string): UmlcowError {
  return new UmlcowError('HUMFS_SUPERBLOCK', `superblock: ${message}`)
}

function quoted(line: string): string {
  return JSON.stringify(line.slice(0, 80))
}

/**
 * Parse a superblock by the kernel's rules, but more strictly where the kernel guesses.
 *
 * @throws UmlcowError HUMFS_SUPERBLOCK; HUMFS_VERSION for another version than 2
 */
export function parseSuperblock(bytes: Uint8Array): ParsedSuperblock {
  if (bytes.length === 0) throw bad('is empty')
  if (bytes.length > longestSuperblock) throw bad(`is longer than ${longestSuperblock} bytes`)
  const text = latin1Text(bytes)
  if (!text.endsWith('\n')) throw bad('the last line has no newline')
  const items = new Map<Item, string>()
  for (const line of text.slice(0, -1).split('\n')) {
    const [item, value] = parseLine(line)
    if (items.has(item)) throw bad(`has more than one line "${item}"`)
    items.set(item, value)
  }
  checkKind(items)
  const used = sizeOf(items, 'used')
  const total = sizeOf(items, 'total')
  if (used > total) throw bad(`used is more than total: ${used}, ${total}`)
  return { used, total, warnings: items.has('version') ? [] : ['superblock: has no version; taken for 2'] }
}

function parseLine(line: string): [Item, string] {
  if (line.length > longestLine) throw bad(`a line of ${line.length} bytes is too long: ${quoted(line)}`)
  const [item, value, ...more] = line.split(' ')
  const isKnown = item === 'version' || item === 'metadata' || item === 'used' || item === 'total'
  if (!isKnown || value === undefined || value === '' || more.length > 0) throw bad(`unknown line ${quoted(line)}`)
  return [item, value]
}

function checkKind(items: ReadonlyMap<Item, string>): void {
  const version = items.get('version') ?? '2'
  const number = parseDigits(latin1Bytes(version), 10)
  if (number === null) throw bad(`version is not a number: ${quoted(version)}`)
  if (number !== 2) {
    throw new UmlcowError('HUMFS_VERSION', `superblock: expected version 2, got ${number}`)
  }
  const metadata = items.get('metadata') ?? 'shadow_fs'
  if (metadata !== 'shadow_fs') throw bad(`expected metadata "shadow_fs", got ${quoted(metadata)}`)
}

function sizeOf(items: ReadonlyMap<Item, string>, item: 'used' | 'total'): number {
  const text = items.get(item)
  if (text === undefined) throw bad(`has no ${item}`)
  const value = parseDigits(latin1Bytes(text), 10)
  if (value === null) throw bad(`${item} is not a size: ${quoted(text)}`)
  if (value === 0) throw bad(`${item} is 0`)
  return value
}

/** Write a superblock, byte for byte as the Perl tool does. Only, `used` must not be 0: the kernel refuses that. */
export function serializeSuperblock({ used, total }: HumfsSuperblock): Uint8Array {
  return utf8Bytes(`version 2\nmetadata shadow_fs\nused ${used}\ntotal ${total}\n`)
}

/** Compute `used` from the bytes that the files take on the disk: rounded as by `du -sk`, and at least a block. */
export function usedOf(allocatedBytes: number): number {
  return Math.max(smallestUsed, Math.ceil(allocatedBytes / 1024) * 1024)
}

const powers: Readonly<Record<string, number>> = { '': 0, K: 1, M: 2, G: 3, T: 4 }

/** Parse SIZE of the command line: digits with K, M, G or T. @returns bytes, null when the text is not a size */
export function parseHumfsSize(text: string): number | null {
  const match = /^([0-9]+)([KMGTkmgt]?)$/.exec(text)
  if (match === null) return null
  const size = Number(match[1]) * 1024 ** powers[match[2]!.toUpperCase()]!
  return Number.isSafeInteger(size) && size > 0 ? size : null
}
