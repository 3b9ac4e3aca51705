import { allocate, copyOf, latin1Bytes } from '../../bytes/fast.js'

// Names in mtree text.  Source: mtree(5) of libarchive and NetBSD, vis(3).

/** The escapes of vis(3) in the style of C. The other escapes are octal digits. */
const shortEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  s: 32,
  t: 9,
  v: 11,
  '\\': 0x5c,
  '#': 0x23,
}

const backslash = 0x5c

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
    if (byte !== backslash) {
      out[length++] = byte
      at++
      continue
    }
    const octal = octalAt(text, at + 1)
    const short = shortEscapes[String.fromCharCode(text[at + 1] ?? 0)]
    if (octal === null && short === undefined) return null
    out[length++] = octal ?? short!
    at += octal === null ? 2 : 4
  }
  return out.subarray(0, length)
}

/** Read three octal digits, at most 377; null for anything else. */
function octalAt(text: Uint8Array, at: number): number | null {
  if (at + 3 > text.length) return null
  let value = 0
  for (const byte of text.subarray(at, at + 3)) {
    if (byte < 0x30 || byte > 0x37) return null
    value = value * 8 + byte - 0x30
  }
  return value <= 255 ? value : null
}
