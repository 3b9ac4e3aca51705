import { ceilDivide, isPowerOfTwo } from '../../bytes/align.js'
import { parseDigits } from '../../bytes/decimal.js'
import { escapeText } from '../../bytes/escape.js'
import { latin1Bytes } from '../../bytes/fast.js'
import { type Bmap, digestLength, mostRanges } from './layout.js'
import { XmlReader, type XmlToken } from './xml-reader.js'

/** A block map, and the digest that its file says of itself. */
export interface ParsedBmap {
  readonly bmap: Bmap
  /** Hexadecimal digits. */
  readonly fileDigest: string
  /** Where they are in the file: the digest is that of the file with digits 0 in their place. */
  readonly fileDigestOffset: number
}

type OpenToken = XmlToken & { readonly kind: 'open' }
type TextToken = XmlToken & { readonly kind: 'text' }

/** The elements that hold a text. */
const fieldNames = ['ImageSize', 'BlockSize', 'BlocksCount', 'MappedBlocksCount', 'ChecksumType', 'BmapFileChecksum']

const largestBlock = 2 ** 20

/**
 * Parse a block map of bmaptool.
 *
 * @param name  of the file, for messages
 * @throws      UmlcowError BAD_BMAP for all but exactly this format
 */
export function parseBmap(bytes: Uint8Array, name: string): ParsedBmap {
  return new BmapParser(new XmlReader(bytes, name)).parse()
}

class BmapParser {
  private readonly xml: XmlReader
  private readonly fields = new Map<string, TextToken>()
  private readonly ranges: { first: number; last: number; digest: string | null }[] = []
  private hasMap = false

  constructor(xml: XmlReader) {
    this.xml = xml
  }

  parse(): ParsedBmap {
    const root = this.open('bmap')
    const version = root.attributes.get('version') ?? ''
    if (version !== '2.0') throw this.xml.bad(`expected a bmap of version 2.0, got "${escapeText(version)}"`)
    this.children('bmap', (token) => this.child(token))
    if (this.xml.next().kind !== 'end') throw this.xml.bad('data follows the end of the bmap')
    return this.result()
  }

  private child(token: XmlToken): void {
    if (token.kind !== 'open') throw this.xml.bad('expected an element')
    const { name } = token
    if (name === 'BlockMap' && !this.hasMap) {
      this.hasMap = true
      this.children('BlockMap', (range) => this.range(range))
      return
    }
    if (this.fields.has(name) || name === 'BlockMap') throw this.xml.bad(`a second element <${name}>`)
    if (!fieldNames.includes(name)) throw this.xml.bad(`an unknown element <${name}>`)
    this.fields.set(name, this.leaf(name))
  }

  private range(token: XmlToken): void {
    if (token.kind !== 'open' || token.name !== 'Range') throw this.xml.bad('expected a Range')
    if (this.ranges.length >= mostRanges) throw this.xml.bad(`more than ${mostRanges} ranges`)
    const digest = token.attributes.get('chksum') ?? null
    if (token.attributes.size > (digest === null ? 0 : 1)) throw this.xml.bad('a Range with an unknown attribute')
    if (digest !== null && !isDigest(digest)) throw this.xml.bad('a chksum that is no SHA-256 digest')
    const { text } = this.leaf('Range')
    const dash = text.indexOf('-')
    const first = parseDigits(latin1Bytes(dash < 0 ? text : text.slice(0, dash)), 10)
    const last = dash < 0 ? first : parseDigits(latin1Bytes(text.slice(dash + 1)), 10)
    const before = this.ranges.at(-1)?.last ?? -1
    if (first === null || last === null || last < first || first <= before) {
      throw this.xml.bad(`"${escapeText(text)}" is no range of blocks after block ${before}`)
    }
    this.ranges.push({ first, last, digest: digest?.toLowerCase() ?? null })
  }

  /** Read what an element has, and its end. */
  private children(name: string, read: (token: XmlToken) => void): void {
    let token = this.xml.next()
    for (; token.kind !== 'close'; token = this.xml.next()) read(token)
    if (token.name !== name) throw this.xml.bad(`<${name}> does not end`)
  }

  /** Read the text of an element and its end. */
  private leaf(name: string): TextToken {
    const text = this.xml.next()
    if (text.kind !== 'text') throw this.xml.bad(`<${name}> is empty`)
    const end = this.xml.next()
    if (end.kind !== 'close' || end.name !== name) throw this.xml.bad(`<${name}> does not end`)
    return text
  }

  private open(name: string): OpenToken {
    const token = this.xml.next()
    if (token.kind !== 'open' || token.name !== name) throw this.xml.bad(`does not begin with <${name}>`)
    return token
  }

  private result(): ParsedBmap {
    const imageSize = this.number('ImageSize')
    const blockSize = this.number('BlockSize')
    if (!isPowerOfTwo(blockSize) || blockSize < 512 || blockSize > largestBlock) {
      throw this.xml.bad(`BlockSize: expected a power of two from 512 to ${largestBlock}, got ${blockSize}`)
    }
    const blocks = ceilDivide(imageSize, blockSize)
    this.expect('BlocksCount', blocks)
    if ((this.ranges.at(-1)?.last ?? -1) >= blocks) throw this.xml.bad('a range ends beyond the end of the image')
    if (!this.hasMap) throw this.xml.bad('has no BlockMap')
    this.expect(
      'MappedBlocksCount',
      this.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0),
    )
    const type = this.field('ChecksumType').text
    if (type !== 'sha256') throw this.xml.bad(`ChecksumType: expected sha256, got "${escapeText(type)}"`)
    const { text: fileDigest, offset } = this.field('BmapFileChecksum')
    if (!isDigest(fileDigest)) throw this.xml.bad('BmapFileChecksum is no SHA-256 digest')
    return { bmap: this.bmap(imageSize, blockSize), fileDigest: fileDigest.toLowerCase(), fileDigestOffset: offset }
  }

  private bmap(imageSize: number, blockSize: number): Bmap {
    const stretches = new Float64Array(2 * this.ranges.length)
    for (const [i, { first, last }] of this.ranges.entries()) {
      stretches[2 * i] = first * blockSize
      stretches[2 * i + 1] = Math.min(imageSize, (last + 1) * blockSize)
    }
    return { imageSize, blockSize, stretches, digests: this.ranges.map(({ digest }) => digest) }
  }

  private field(name: string): TextToken {
    const found = this.fields.get(name)
    if (found === undefined) throw this.xml.bad(`has no ${name}`)
    return found
  }

  private number(name: string): number {
    const { text } = this.field(name)
    const value = parseDigits(latin1Bytes(text), 10)
    // No sum of offsets in such an image loses digits.
    if (value === null || value > 2 ** 52) throw this.xml.bad(`${name}: expected a number, got "${escapeText(text)}"`)
    return value
  }

  private expect(name: string, expected: number): void {
    const value = this.number(name)
    if (value !== expected) throw this.xml.bad(`${name}: expected ${expected}, got ${value}`)
  }
}

function isDigest(text: string): boolean {
  return text.length === digestLength && [...text].every((digit) => '0123456789abcdefABCDEF'.includes(digit))
}
