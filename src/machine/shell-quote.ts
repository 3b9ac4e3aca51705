import { escapeText, pathText } from '../bytes/escape.js'
import type { HostPath } from './host-files.js'
import { pathBytes } from './path-bytes.js'

const plain = new Set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+')

/** Quote a path as a word of a POSIX shell, for the commands in hints. */
export function shellQuote(path: HostPath): string {
  const given = pathBytes(path)
  // A program would take a word that begins with a dash for an option.
  const bytes = given[0] === 0x2d ? Buffer.concat([Buffer.from('./'), given]) : given
  const text = pathText(bytes)
  if (text === null || escapeText(text) !== text) return ansiQuoted(bytes)
  if (text.length > 0 && [...text].every((character) => plain.has(character))) return text
  return `'${text.split("'").join("'\\''")}'`
}

/** Quote bytes as `$'...'`, as bash, ksh and zsh have it: the only form that shows every byte. */
function ansiQuoted(bytes: Buffer): string {
  let out = ''
  for (const byte of bytes) {
    const printable = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
    out += printable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `$'${out}'`
}
