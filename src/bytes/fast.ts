// The only file of the core that knows Node's Buffer. Buffer compares, searches and converts text in native code. A
// browser has plain arrays only, so each function here has a second form.

/** The methods of Buffer that the functions below use. `call` lets them take any Uint8Array as `this`. */
interface NodeBytes extends Uint8Array {
  compare(this: Uint8Array, other: Uint8Array, otherFrom: number, otherTo: number, from: number, to: number): number
  equals(this: Uint8Array, other: Uint8Array): boolean
  indexOf(this: Uint8Array, byte: number, from?: number): number
  toString(encoding?: 'latin1', from?: number, to?: number): string
}

interface NodeBuffer {
  readonly prototype: NodeBytes
  alloc(length: number): NodeBytes
  allocUnsafeSlow(length: number): NodeBytes
  from(memory: ArrayBuffer, offset?: number, length?: number): NodeBytes
  from(bytes: Uint8Array): NodeBytes
  from(text: string, encoding: 'latin1' | 'utf8'): NodeBytes
  concat(parts: readonly Uint8Array[], length?: number): NodeBytes
  isBuffer(bytes: Uint8Array): bytes is NodeBytes
}

const node = nodeBuffer()
const compareNatively = node?.prototype.compare
const equalsNatively = node?.prototype.equals
const indexOfNatively = node?.prototype.indexOf
const utf8 = new TextEncoder()

/** Find Node's Buffer. Some pages have the package "buffer" in its place, which refuses plain arrays and copies them. */
function nodeBuffer(): NodeBuffer | undefined {
  const { Buffer: found } = globalThis as unknown as { readonly Buffer?: NodeBuffer }
  const plain = new Uint8Array(1)
  try {
    return found?.prototype.equals.call(plain, plain.subarray(0)) ? found : undefined
  } catch {
    return undefined
  }
}

/** Allocate memory that holds zeros. */
export function allocate(length: number): Uint8Array {
  return node === undefined ? new Uint8Array(length) : node.alloc(length)
}

/** Allocate memory that may hold anything: the caller must write before it reads. No other array shares it. */
export function allocateUnsafe(length: number): Uint8Array {
  return node === undefined ? new Uint8Array(length) : node.allocUnsafeSlow(length)
}

const fillPlainly = Uint8Array.prototype.fill

/** Write zeros from `from` to `to`. For a few bytes, `fill` of a Buffer takes several times as long. */
export function writeZeros(bytes: Uint8Array, from: number, to: number): void {
  fillPlainly.call(bytes, 0, from, to)
}

/** View `length` bytes of `memory` from `offset` on, without a copy. */
export function bytesOver(memory: ArrayBuffer, offset: number, length: number): Uint8Array {
  return node === undefined ? new Uint8Array(memory, offset, length) : node.from(memory, offset, length)
}

/** Copy bytes. Not `slice`: on a Buffer it returns a view of the same memory. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return node === undefined ? new Uint8Array(bytes) : node.from(bytes)
}

/** Join copies of all parts. @param length  length of the result, with zeros after the last part */
export function concatBytes(parts: readonly Uint8Array[], length?: number): Uint8Array {
  if (node !== undefined) return node.concat(parts, length)
  const out = new Uint8Array(length ?? parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Compare bytes `aFrom` to `aTo` of `a` with `bFrom` to `bTo` of `b`: negative, 0 or positive. Both must exist. */
export function compareBytes(
  a: Uint8Array,
  aFrom: number,
  aTo: number,
  b: Uint8Array,
  bFrom: number,
  bTo: number,
): number {
  if (compareNatively !== undefined) return compareNatively.call(a, b, bFrom, bTo, aFrom, aTo)
  const [aLength, bLength] = [aTo - aFrom, bTo - bFrom]
  const length = Math.min(aLength, bLength)
  const same = sameLength(a, aFrom, b, bFrom, length)
  return same < length ? a[aFrom + same]! - b[bFrom + same]! : aLength - bLength
}

/** Count the equal bytes before the first difference, at most `length`. */
function sameLength(a: Uint8Array, aFrom: number, b: Uint8Array, bFrom: number, length: number): number {
  const [aOffset, bOffset] = [a.byteOffset + aFrom, b.byteOffset + bFrom]
  let at = 0
  if (length >= 64 && aOffset % 4 === 0 && bOffset % 4 === 0) {
    const wordCount = (length - (length % 4)) / 4
    const aWords = new Int32Array(a.buffer, aOffset, wordCount)
    const bWords = new Int32Array(b.buffer, bOffset, wordCount)
    let word = 0
    while (word < wordCount && aWords[word] === bWords[word]) word++
    at = word * 4
  }
  while (at < length && a[aFrom + at] === b[bFrom + at]) at++
  return at
}

/** True when `a` and `b` hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (equalsNatively !== undefined) return equalsNatively.call(a, b)
  return a.length === b.length && sameLength(a, 0, b, 0, a.length) === a.length
}

/** Find the first `byte` at or after `from`; -1 when there is none. */
export function indexOfByte(bytes: Uint8Array, byte: number, from = 0): number {
  return indexOfNatively === undefined ? bytes.indexOf(byte, from) : indexOfNatively.call(bytes, byte, from)
}

/** Convert each byte from `from` to `to` to one character, U+0000 to U+00FF. */
export function latin1Text(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  if (node !== undefined) {
    const native = node.isBuffer(bytes) ? bytes : node.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
    return native.toString('latin1', from, to)
  }
  let text = ''
  for (const byte of bytes.subarray(from, to)) text += String.fromCharCode(byte)
  return text
}

/** Convert text to the low byte of each UTF-16 code unit. */
export function latin1Bytes(text: string): Uint8Array {
  if (node !== undefined) return node.from(text, 'latin1')
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** Encode text as UTF-8. */
export function utf8Bytes(text: string): Uint8Array {
  return node === undefined ? utf8.encode(text) : node.from(text, 'utf8')
}
