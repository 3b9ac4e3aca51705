import { allocate, copyOf, latin1Bytes } from '../../bytes/fast.js'
import { defineStruct } from '../../bytes/struct.js'

// Why a codec of its own: tar-stream, the well-kept library, turns names into UTF-8 strings and so loses other names.

// The header of a member.  Source: POSIX pax, "ustar Interchange Format"; GNU tar's differences from tar(5).
// offset size field      meaning
//      0  100 name       NUL-terminated unless it fills the field
//    100    8 mode       octal digits, as in all numbers; base-256 when the first byte has its top bit set
//    108    8 uid
//    116    8 gid
//    124   12 size       bytes of content
//    136   12 mtime      seconds since 1970
//    148    8 checksum   sum of all bytes of the header, where this field counts as blanks
//    156    1 type       '0' file, '1' hard link, '2' symlink, '3' character, '4' block, '5' directory, '6' fifo, ...
//    157  100 link
//    257    8 magic      "ustar\0" "00" in POSIX, "ustar  \0" in GNU tar
//    265   32 userName
//    297   32 groupName
//    329    8 major
//    337    8 minor
//    345  155 prefix     POSIX: the path before the name and a slash; GNU tar stores other things here
//    500   12 padding
export const tarHeader = defineStruct([
  ['name', 100],
  ['mode', 8],
  ['uid', 8],
  ['gid', 8],
  ['size', 12],
  ['mtime', 12],
  ['checksum', 8],
  ['type', 1],
  ['link', 100],
  ['magic', 8],
  ['userName', 32],
  ['groupName', 32],
  ['major', 8],
  ['minor', 8],
  ['prefix', 155],
  ['padding', 12],
])

export const blockSize = tarHeader.size
export const posixMagic = latin1Bytes('ustar\x0000')

const blank = 0x20
const digitZero = 0x30
const gnuMagic = latin1Bytes('ustar  \0')
const magicLength = 'ustar'.length

type FieldName = Parameters<typeof tarHeader.offsetOf>[0]
type NumberName = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'checksum' | 'major' | 'minor'

/** The fields of a header. Archives have millions of headers, so nothing is made of a field that nobody asks for. */
export class TarFields {
  private readonly block: Uint8Array

  /** @param block  a header, whose memory must last as long as the fields are read */
  constructor(block: Uint8Array) {
    this.block = block
  }

  /** The whole header. */
  get bytes(): Uint8Array {
    return this.block
  }

  get type(): number {
    return this.block[tarHeader.offsetOf('type')]!
  }

  /** Whether the header has the fields of POSIX. Some writers store other bytes than "00" as the version. */
  get isPosix(): boolean {
    return this.hasMagic(posixMagic, magicLength) && !this.hasMagic(gnuMagic, gnuMagic.length)
  }

  /** Copy a text up to its first NUL byte. */
  text(name: 'name' | 'link' | 'prefix'): Uint8Array {
    const start = tarHeader.offsetOf(name)
    let end = start
    while (end < start + tarHeader.lengthOf(name) && this.block[end] !== 0) end++
    return end === start ? nothing : copyOf(this.block.subarray(start, end))
  }

  /** Get a number; NaN when the field does not hold one. */
  number(name: NumberName): number {
    return numberAt(this.block, tarHeader.offsetOf(name), tarHeader.lengthOf(name))
  }

  /** Get a number that may be too large for `number`; null when the field does not hold one. */
  integer(name: NumberName): bigint | null {
    return numberField(this.field(name))
  }

  private field(name: FieldName): Uint8Array {
    const start = tarHeader.offsetOf(name)
    return this.block.subarray(start, start + tarHeader.lengthOf(name))
  }

  private hasMagic(magic: Uint8Array, length: number): boolean {
    const start = tarHeader.offsetOf('magic')
    for (let i = 0; i < length; i++) if (this.block[start + i] !== magic[i]) return false
    return true
  }
}

const nothing = allocate(0)
const checksumStart = tarHeader.offsetOf('checksum')
const checksumEnd = checksumStart + tarHeader.lengthOf('checksum')

/** True when a header has the right checksum. Some old writers add the bytes as signed numbers. */
export function hasRightChecksum(block: Uint8Array): boolean {
  const stored = new TarFields(block).number('checksum')
  const sum = checksumOf(block)
  return stored === sum || stored === sum - 256 * highBytes(block)
}

/** Count the bytes of a header that are negative as signed numbers, without the checksum. */
function highBytes(block: Uint8Array): number {
  let count = 0
  for (let i = 0; i < blockSize; i++) if (block[i]! >= 0x80 && (i < checksumStart || i >= checksumEnd)) count++
  return count
}

/** Compute the checksum of a header. */
export function checksumOf(block: Uint8Array): number {
  let sum = (checksumEnd - checksumStart) * 0x20
  for (let i = 0; i < checksumStart; i++) sum += block[i]!
  for (let i = checksumEnd; i < blockSize; i++) sum += block[i]!
  return sum
}

/** Get the number in a field of a block; NaN when the field does not hold one. */
export function numberAt(block: Uint8Array, start: number, length: number): number {
  const value = octalIn(block, start, start + length)
  return value ?? Number(numberField(block.subarray(start, start + length)) ?? Number.NaN)
}

/** Copy a text field up to its first NUL byte. */
export function textField(field: Uint8Array): Uint8Array {
  const end = field.indexOf(0)
  return copyOf(end < 0 ? field : field.subarray(0, end))
}

/** Parse a number field; null when it does not hold a number. An empty field is 0. */
function numberField(field: Uint8Array): bigint | null {
  const first = field[0]!
  if (first === 0x80 || first === 0xff) return base256(field)
  const value = octalIn(field, 0, field.length)
  return value === null ? null : BigInt(value)
}

/** Parse octal digits; null when there is anything else. */
function octalIn(bytes: Uint8Array, from: number, end: number): number | null {
  // Some writers overflow a field, and its NUL then comes first in the next one.
  let i = bytes[from] === 0 && isOctal(bytes[from + 1]) ? from + 1 : from
  while (i < end && bytes[i] === blank) i++
  let value = 0
  for (; i < end && bytes[i] !== 0 && bytes[i] !== blank; i++) {
    if (!isOctal(bytes[i])) return null
    value = value * 8 + bytes[i]! - digitZero
  }
  return value
}

function isOctal(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x37
}

/** Parse GNU's form of large and negative numbers: all but the first byte, big-endian, two's complement. */
function base256(field: Uint8Array): bigint {
  let value = field[0] === 0xff ? -1n : 0n
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte)
  return value
}
