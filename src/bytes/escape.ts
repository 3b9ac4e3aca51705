import { latin1Text } from './fast.js'

/** True for code points that may change what a terminal shows: controls, and marks that reorder or hide text. */
function isTroublesome(codePoint: number): boolean {
  return (
    codePoint < 0x20 ||
    (codePoint >= 0x7f && codePoint <= 0x9f) ||
    codePoint === 0xad ||
    codePoint === 0x61c ||
    (codePoint >= 0x200b && codePoint <= 0x200f) ||
    (codePoint >= 0x2028 && codePoint <= 0x202e) ||
    (codePoint >= 0x2060 && codePoint <= 0x206f) ||
    (codePoint >= 0xd800 && codePoint <= 0xdfff) ||
    codePoint === 0xfeff ||
    (codePoint >= 0xe0000 && codePoint <= 0xe007f)
  )
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** Write every control or invisible character of `text` as `\xHH` or `\u{...}`. The result is one line. */
export function escapeText(text: string): string {
  let out = ''
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0
    if (!isTroublesome(codePoint)) out += character
    else out += codePoint < 0x100 ? `\\x${hex(codePoint, 2)}` : `\\u{${hex(codePoint, 1)}}`
  }
  return out
}

/** Escape the characters of JSON text that JSON allows and a terminal may obey. */
export function escapeJson(json: string): string {
  let out = ''
  for (const character of json) {
    const codePoint = character.codePointAt(0) ?? 0
    // JSON.stringify escapes everything below 0x20 but the newlines of its layout.
    if (codePoint < 0x7f || !isTroublesome(codePoint)) out += character
    else for (let i = 0; i < character.length; i++) out += `\\u${hex(character.charCodeAt(i), 4)}`
  }
  return out
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decode the bytes of a path; null when they are not UTF-8. */
export function pathText(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null // The decoder throws for one reason only: the bytes are not UTF-8.
  }
}

function isPrintableAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte < 0x20 || byte >= 0x7f) return false
  return true
}

/** Format a path for people, with controls escaped. If it is not UTF-8, `\xHH` replaces all but printable ASCII. */
export function printablePath(path: string | Uint8Array): string {
  if (typeof path === 'string') return escapeText(path)
  // Nearly all names are such, and a listing has many.
  if (isPrintableAscii(path)) return latin1Text(path)
  const text = pathText(path)
  if (text !== null) return escapeText(text)
  let out = ''
  for (const byte of path) out += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${hex(byte, 2)}`
  return out
}
