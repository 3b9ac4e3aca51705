import { escapeText } from '../../bytes/escape.js'
import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'

// The part of XML that block maps use: elements, attributes, text and comments in ASCII. No entities, no document type,
// no instructions but the declaration at the start: none of them can make the reader fetch or repeat anything.

/** A part of a document. Comments, and text of blanks only, are left out. */
export type XmlToken =
  | { readonly kind: 'open'; readonly name: string; readonly attributes: ReadonlyMap<string, string> }
  | { readonly kind: 'close'; readonly name: string }
  /** Without blanks at both ends. */
  | { readonly kind: 'text'; readonly text: string; readonly offset: number }
  | { readonly kind: 'end' }

/** The longest name, value or text. */
const longest = 128
const mostAttributes = 8

const [tab, newline, carriageReturn, space] = [0x09, 0x0a, 0x0d, 0x20]
const [bang, doubleQuote, ampersand, singleQuote, dash] = [0x21, 0x22, 0x26, 0x27, 0x2d]
const [slash, less, equals, greater, questionMark] = [0x2f, 0x3c, 0x3d, 0x3e, 0x3f]

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === newline || byte === carriageReturn || byte === tab
}

function isNameByte(byte: number): boolean {
  const letter = byte | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
}

/** Cuts XML into tokens. Whether they make sense together is the caller's to check. */
export class XmlReader {
  private at = 0
  private readonly bytes: Uint8Array
  private readonly name: string

  /** @param name  of the file, for messages */
  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes
    this.name = name
    this.skipBlanks()
    if (this.starts('<?xml')) this.skipPast('?>')
  }

  /** Make an error that says where the reader is. */
  bad(what: string): UmlcowError {
    let line = 1
    for (let at = 0; at < this.at; at++) if (this.bytes[at] === newline) line++
    return new UmlcowError('BAD_BMAP', `${this.name}: line ${line}: ${what}`)
  }

  /** @throws UmlcowError BAD_BMAP */
  next(): XmlToken {
    this.skipBlanks()
    while (this.starts('<!--')) {
      this.skipPast('-->')
      this.skipBlanks()
    }
    if (this.at >= this.bytes.length) return { kind: 'end' }
    if (this.bytes[this.at] !== less) return this.readText()
    this.at++
    const byte = this.bytes[this.at]
    if (byte === bang || byte === questionMark) throw this.bad('only elements, text and comments are supported')
    return byte === slash ? this.readClose() : this.readOpen()
  }

  private readText(): XmlToken {
    const offset = this.at
    const end = indexOfByte(this.bytes, less, offset)
    let last = end < 0 ? this.bytes.length : end
    while (isBlank(this.bytes[last - 1])) last--
    const text = this.ascii(offset, last)
    this.at = last
    return { kind: 'text', text, offset }
  }

  private readClose(): XmlToken {
    this.at++
    const name = this.readName()
    this.skipBlanks()
    this.expect(greater)
    return { kind: 'close', name }
  }

  private readOpen(): XmlToken {
    const name = this.readName()
    const attributes = new Map<string, string>()
    for (;;) {
      const hadBlank = isBlank(this.bytes[this.at])
      this.skipBlanks()
      if (this.bytes[this.at] === greater) break
      if (!hadBlank) throw this.bad('a malformed element')
      const key = this.readName()
      if (attributes.has(key) || attributes.size >= mostAttributes) throw this.bad(`one attribute "${key}" too many`)
      attributes.set(key, this.readValue())
    }
    this.at++
    return { kind: 'open', name, attributes }
  }

  private readName(): string {
    const start = this.at
    while (this.at < this.bytes.length && isNameByte(this.bytes[this.at]!)) this.at++
    if (this.at === start) throw this.bad('a malformed element')
    return this.ascii(start, this.at)
  }

  private readValue(): string {
    this.skipBlanks()
    this.expect(equals)
    this.skipBlanks()
    const quote = this.bytes[this.at]
    if (quote !== doubleQuote && quote !== singleQuote) throw this.bad('a malformed attribute')
    const start = this.at + 1
    const end = indexOfByte(this.bytes, quote, start)
    const value = end < 0 ? null : this.ascii(start, end)
    if (value === null || value.includes('<')) throw this.bad('a malformed attribute')
    this.at = end + 1
    return value
  }

  /** Take printable ASCII text. */
  private ascii(start: number, end: number): string {
    if (end - start > longest) throw this.bad(`a text of ${end - start} characters is too long`)
    const text = latin1Text(this.bytes, start, end)
    for (let at = start; at < end; at++) {
      const byte = this.bytes[at]!
      if (byte < space || byte > 0x7e || byte === ampersand) {
        throw this.bad(`"${escapeText(text)}" has a character that is not supported`)
      }
    }
    return text
  }

  private expect(byte: number): void {
    if (this.bytes[this.at] !== byte) throw this.bad('a malformed element')
    this.at++
  }

  private skipBlanks(): void {
    while (isBlank(this.bytes[this.at])) this.at++
  }

  private starts(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.bytes[this.at + i] !== text.charCodeAt(i)) return false
    return true
  }

  /** Skip to the end of `text`: its last byte is `>`, with two dashes or a question mark before it. */
  private skipPast(text: '?>' | '-->'): void {
    const before = text === '-->' ? dash : questionMark
    const start = this.at
    for (let end = indexOfByte(this.bytes, greater, start); end >= 0; end = indexOfByte(this.bytes, greater, end + 1)) {
      const isEnd = this.bytes[end - 1] === before && (text === '?>' || this.bytes[end - 2] === dash)
      // The dashes that begin a comment do not end it.
      if (!isEnd || (text === '-->' && end < start + 6)) continue
      this.at = end + 1
      return
    }
    throw this.bad('ends in a comment or declaration')
  }
}
