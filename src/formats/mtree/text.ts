import { allocate, copyOf, latin1Bytes } from '../../bytes/fast.js'

// Names in mtree text.  Source: mtree(5) of libarchive and NetBSD, vis(3), unvis(3).
//
// escape      byte
// \a to \v    as in C; \s is a blank, \E is ESC
// \OOO        one to three octal digits, at most 377
// \xHH        one or two hexadecimal digits
// \^C         the control character C; \^? is DEL
// \M-C        C with the highest bit set
// \M^C        the control character C with the highest bit set
// \$          nothing: a mark for people
// \C          C itself, when it is neither a letter nor a digit: \\ \# \* \"

const shortEscapes: Readonly<Record<string, number>> = { a: 7, b: 8, E: 27, f: 12, n: 10, r: 13, s: 32, t: 9, v: 11 }

const backslash = 0x5c
const caret = 0x5e
const dash = 0x2d
const slash = 0x2f
const highBit = 0x80

/**
 * Bytes to escape besides blanks, controls and all above ASCII. Some reader takes them for a comment, an assignment or
 * a pattern.
 */
const escaped = new Set([0x7f, backslash, ...latin1Bytes('#=*?[]"\'')])

/** Escape a name for mtree text, with three octal digits for each byte that needs it. */
export function escapeName(name: Uint8Array): string {
  let out = ''
  for (const byte of name) {
    const isPlain = byte > 0x20 && byte < 0x80 && !escaped.has(byte)
    out += isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  }
  return out
}

/** Copy a name without its escapes; null when it has an unknown escape. */
export function unescapeName(text: Uint8Array): Uint8Array | null {
  if (!text.includes(backslash)) return copyOf(text)
  const out = allocate(text.length)
  let length = 0
  let at = 0
  while (at < text.length) {
    const byte = text[at]!
    const read = byte === backslash ? escapeAt(text, at) : { byte, length: 1 }
    if (read === null) return null
    if (read.byte !== null) out[length++] = read.byte
    at += read.length
  }
  return out.subarray(0, length)
}

/** True when the text of a name has a slash that is no part of an escape: `\M-/` is one byte of a name. */
export function hasSlash(text: Uint8Array): boolean {
  if (!text.includes(backslash)) return text.includes(slash)
  for (let at = 0; at < text.length; at += lengthAt(text, at)) if (text[at] === slash) return true
  return false
}

/** True when a line goes on in the next one: its last byte is a backslash that is no part of an escape. */
export function isContinued(line: Uint8Array): boolean {
  const last = line.length - 1
  if (line[last] !== backslash) return false
  let at = 0
  while (at < last) at += lengthAt(line, at)
  return at === last
}

function lengthAt(text: Uint8Array, at: number): number {
  if (text[at] !== backslash) return 1
  return escapeAt(text, at)?.length ?? 2
}

/** What an escape stands for. A mark for people stands for no byte. */
interface Escape {
  readonly byte: number | null
  readonly length: number
}

/** Read the escape at a backslash; null when there is no such escape. */
function escapeAt(text: Uint8Array, at: number): Escape | null {
  const next = text[at + 1]
  if (next === undefined) return null
  const character = String.fromCharCode(next)
  const short = shortEscapes[character]
  if (short !== undefined) return { byte: short, length: 2 }
  if (character === 'x') return numberAt(text, at + 2, 16, 2, 2)
  if (character === 'M') return metaAt(text, at + 2)
  if (next === caret) return controlAt(text, at + 2, 0, 3)
  if (character === '$') return { byte: null, length: 2 }
  if (isGraphic(next) && !isAlphanumeric(next)) return { byte: next, length: 2 }
  return numberAt(text, at + 1, 8, 3, 1)
}

/** Read the rest of `\M-C` or `\M^C`. */
function metaAt(text: Uint8Array, at: number): Escape | null {
  if (text[at] === caret) return controlAt(text, at + 1, highBit, 4)
  const byte = text[at + 1]
  return text[at] === dash && isGraphic(byte) ? { byte: byte + highBit, length: 4 } : null
}

/** Read the character of a control escape. @param length  the length of the whole escape */
function controlAt(text: Uint8Array, at: number, high: number, length: number): Escape | null {
  const byte = text[at]
  if (!isGraphic(byte)) return null
  return { byte: high + (byte === 0x3f ? 0x7f : byte % 32), length }
}

/** Read one to `most` digits; null for none, and for a number above 255. @param before  bytes of the escape before them */
function numberAt(text: Uint8Array, at: number, base: 8 | 16, most: number, before: number): Escape | null {
  let value = 0
  let count = 0
  for (; count < most && at + count < text.length; count++) {
    const digit = Number.parseInt(String.fromCharCode(text[at + count]!), base)
    if (Number.isNaN(digit)) break
    value = value * base + digit
  }
  return count > 0 && value <= 255 ? { byte: value, length: before + count } : null
}

function isGraphic(byte: number | undefined): byte is number {
  return byte !== undefined && byte > 0x20 && byte < 0x7f
}

function isAlphanumeric(byte: number): boolean {
  const letter = byte | 0x20
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x7a)
}
