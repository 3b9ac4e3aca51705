/** An extended attribute of a file. */
export interface FileAttribute {
  /** One character for each byte. */
  readonly name: string
  /** Bytes, as `0x` and hexadecimal digits; null when the value is longer than any that umlcow looks at. */
  readonly value: string | null
}

/** Receives a file that has extended attributes. @param path  relative to the top; empty is the top itself */
export type OnAttributes = (path: Buffer, attributes: readonly FileAttribute[]) => void

const pathMark = '# file: '

/** Keep this many characters of a line. The path of a file takes 4096 bytes, and four characters a byte. */
const keptLength = 20_000

/** Values up to this many characters are kept: capabilities and the attributes of QEMU take some 50. */
const longestValue = 200

/**
 * Parses the output of `getfattr -R -d -e hex -m -` as it comes: the path of a file, a line for each attribute, and an
 * empty line. In paths and names, `\ooo` stands for a byte.
 */
export class AttributeParser {
  readonly #top: string
  readonly #onFile: OnAttributes
  #line = ''
  #path: string | null = null
  #attributes: FileAttribute[] = []
  #isOdd = false

  /** @param top  the path that getfattr was given */
  constructor(top: string, onFile: OnAttributes) {
    this.#top = top
    this.#onFile = onFile
  }

  push(chunk: Buffer): void {
    const lines = chunk.toString('latin1').split('\n')
    const last = lines.pop()!
    for (const line of lines) {
      this.#append(line)
      if (!this.#isOdd) this.#take(this.#line)
      this.#line = ''
    }
    this.#append(last)
  }

  /** @returns false when the output was not that of getfattr */
  finish(): boolean {
    return !this.#isOdd && this.#line === '' && this.#path === null
  }

  /** Leave out the end of a long line: a value may have 64 KiB. */
  #append(text: string): void {
    this.#line += text.slice(0, keptLength - this.#line.length)
  }

  #take(line: string): void {
    if (this.#path === null) this.#isOdd = !this.#begin(line)
    else if (line !== '') this.#attributes.push(attributeOf(line))
    else this.#end(this.#path)
  }

  #begin(line: string): boolean {
    const isPath = line.startsWith(pathMark) && line.length < keptLength
    const path = isPath ? unescapeOctal(line.slice(pathMark.length)) : ''
    if (path !== this.#top && !path.startsWith(`${this.#top}/`)) return false
    this.#path = path.slice(this.#top.length + 1)
    return true
  }

  #end(path: string): void {
    this.#onFile(Buffer.from(path, 'latin1'), this.#attributes)
    this.#path = null
    this.#attributes = []
  }
}

/** An equals sign in the name is escaped, so the first one ends it. A value without bytes is only the name. */
function attributeOf(line: string): FileAttribute {
  const equals = line.indexOf('=')
  if (equals < 0) return { name: unescapeOctal(line), value: '0x' }
  const value = line.slice(equals + 1)
  return { name: unescapeOctal(line.slice(0, equals)), value: value.length > longestValue ? null : value }
}

function unescapeOctal(text: string): string {
  let out = ''
  let start = 0
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', start)) {
    out += text.slice(start, at) + String.fromCharCode(Number.parseInt(text.slice(at + 1, at + 4), 8) & 0xff)
    start = at + 4
  }
  return out + text.slice(start)
}
