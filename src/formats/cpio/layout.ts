import { parseDigits } from '../../bytes/decimal.js'

// The header of an entry in the "newc" form: a magic and 13 numbers of 8 hexadecimal digits each. The name with its NUL
// follows, then the content. NULs pad each to a multiple of 4 bytes from the start of the archive.
// Source: cpio(5) of libarchive, "New ASCII Format"; Linux Documentation/driver-api/early-userspace/buffer-format.rst
// offset size field        meaning
//      0    6 magic        "070701", or "070702" in the "crc" form
//      6    8 ino          with the device, the same for all names of one file
//     14    8 mode         with the bits of the type
//     22    8 uid
//     30    8 gid
//     38    8 nlink        names of the file
//     46    8 mtime        seconds since 1970
//     54    8 filesize     bytes of content, or of the target of a symbolic link
//     62    8 devmajor     of the file system
//     70    8 devminor
//     78    8 rdevmajor    of a device
//     86    8 rdevminor
//     94    8 namesize     with the NUL
//    102    8 check        0; in the "crc" form the sum of all bytes of content, modulo 2^32
export const newcFields = [
  'ino',
  'mode',
  'uid',
  'gid',
  'nlink',
  'mtime',
  'filesize',
  'devmajor',
  'devminor',
  'rdevmajor',
  'rdevminor',
  'namesize',
  'check',
] as const

export type NewcHeader = Record<(typeof newcFields)[number], number>

export const newcMagic = '070701'
export const crcMagic = '070702'
/** Magic numbers of older forms: six octal digits, and a word of 16 bits in either byte order. */
export const odcMagic = '070707'
export const binaryMagics = ['\xc7\x71', '\x71\xc7'] as const
const digits = 8
export const headerSize = newcMagic.length + newcFields.length * digits
export const alignment = 4
/** The name of the entry that ends an archive. */
export const trailerName = 'TRAILER!!!'
export const maxFileSize = 0xffffffff

/** Whether an archive begins with these characters. */
export function isNewcMagic(magic: string): boolean {
  return magic === newcMagic || magic === crcMagic
}

/** Parse a header; null when a field is not a number. The caller checks the magic. */
export function parseNewcHeader(bytes: Uint8Array): NewcHeader | null {
  const header = {} as NewcHeader
  for (const [i, field] of newcFields.entries()) {
    const start = newcMagic.length + i * digits
    const value = parseDigits(bytes.subarray(start, start + digits), 16)
    if (value === null) return null
    header[field] = value
  }
  return header
}

/** Write a header into memory. */
export function writeNewcHeader(header: NewcHeader, memory: Uint8Array, offset: number): void {
  for (let i = 0; i < newcMagic.length; i++) memory[offset + i] = newcMagic.charCodeAt(i)
  let end = offset + newcMagic.length
  for (const field of newcFields) {
    end += digits
    let rest = header[field]
    for (let i = 1; i <= digits; i++) {
      memory[end - i] = hexDigits.charCodeAt(rest & 0xf)
      rest >>>= 4
    }
  }
}

const hexDigits = '0123456789ABCDEF'
