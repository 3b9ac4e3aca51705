import { copyOf, equalBytes, latin1Bytes } from '../../bytes/fast.js'
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

const gnuMagic = latin1Bytes('ustar  \0')
const magicStart = latin1Bytes('ustar')

/** Whether a header has the fields of POSIX. Some writers store other bytes than "00" as the version. */
export function isPosix({ magic }: Pick<TarFields, 'magic'>): boolean {
  return equalBytes(magic.subarray(0, magicStart.length), magicStart) && !equalBytes(magic, gnuMagic)
}

const fieldNames = [
  'name',
  'mode',
  'uid',
  'gid',
  'size',
  'mtime',
  'checksum',
  'type',
  'link',
  'magic',
  'major',
  'minor',
  'prefix',
] as const

export type TarFields = Readonly<Record<(typeof fieldNames)[number], Uint8Array>>

const places = fieldNames.map((name) => {
  const start = tarHeader.offsetOf(name)
  return { name, start, end: start + tarHeader.lengthOf(name) }
})

/** Get the fields of a header. They are views, not copies, because archives have millions of headers. */
export function fieldsOf(block: Uint8Array): TarFields {
  const fields = {} as Record<(typeof fieldNames)[number], Uint8Array>
  for (const { name, start, end } of places) fields[name] = block.subarray(start, end)
  return fields
}

const checksumStart = tarHeader.offsetOf('checksum')
const checksumEnd = checksumStart + tarHeader.lengthOf('checksum')

/** True when a header has the right checksum. Some old writers add the bytes as signed numbers. */
export function hasRightChecksum(block: Uint8Array): boolean {
  const stored = numberField(block.subarray(checksumStart, checksumEnd))
  const sum = checksumOf(block)
  return stored === BigInt(sum) || stored === BigInt(sum - 256 * highBytes(block))
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

/** Copy a text field up to its first NUL byte. */
export function textField(field: Uint8Array): Uint8Array {
  const end = field.indexOf(0)
  return copyOf(end < 0 ? field : field.subarray(0, end))
}

/** Parse a number field; null when it does not hold a number. An empty field is 0. */
export function numberField(field: Uint8Array): bigint | null {
  const first = field[0]!
  if (first === 0x80 || first === 0xff) return base256(field)
  // Some writers overflow a field, and its NUL then comes first in the next one.
  let start = first === 0 && isOctal(field[1]) ? 1 : 0
  while (start < field.length && field[start] === 0x20) start++
  let value = 0
  let i = start
  for (; i < field.length && field[i] !== 0 && field[i] !== 0x20; i++) {
    const digit = field[i]! - 0x30
    if (digit < 0 || digit > 7) return null
    value = value * 8 + digit
  }
  return BigInt(value)
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
