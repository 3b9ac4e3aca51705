import { defineStruct } from '../../bytes/struct.js'

// All layouts are packed.  Sources: Linux arch/um/drivers/cow_user.c (struct cow_header_v1, _v2, _v3 and the broken
// 64-bit v3), uml-utilities moo/cow.c.  Byte order: version 1 host order, the others big-endian.

/** 'OOOM' in a big-endian file. */
export const cowMagic = 0x4f4f4f4d

/** The size of the longest header, bytes. */
export const maxHeaderSize = 4136

// offset size field         meaning
//      0    4 magic         0x4f4f4f4d
//      4    4 version       1
//      8  256 backingFile   NUL-terminated path
//    264    4 mtime         backing file mtime, seconds since 1970
//    268    8 size          virtual size, bytes
//    276    4 sectorSize    bytes per bitmap bit
const version1 = defineStruct([
  ['magic', 'u32'],
  ['version', 'u32'],
  ['backingFile', 256],
  ['mtime', 'u32'],
  ['size', 'u64'],
  ['sectorSize', 'u32'],
])

// offset size field         meaning
//      0    4 magic         0x4f4f4f4d
//      4    4 version       2
//      8 4096 backingFile   NUL-terminated path
//   4104    4 mtime         backing file mtime, seconds since 1970
//   4108    8 size          virtual size, bytes
//   4116    4 sectorSize    bytes per bitmap bit
const version2 = defineStruct([
  ['magic', 'u32'],
  ['version', 'u32'],
  ['backingFile', 4096],
  ['mtime', 'u32'],
  ['size', 'u64'],
  ['sectorSize', 'u32'],
])

// offset size field         meaning
//      0    4 magic         0x4f4f4f4d
//      4    4 version       3
//      8    4 mtime         backing file mtime, seconds since 1970
//     12    8 size          virtual size, bytes
//     20    4 sectorSize    bytes per bitmap bit
//     24    4 alignment     bytes; bitmap and data start on a multiple of it
//     28    4 cowFormat     0 = bitmap
//     32 4096 backingFile   NUL-terminated path
const version3 = defineStruct([
  ['magic', 'u32'],
  ['version', 'u32'],
  ['mtime', 'u32'],
  ['size', 'u64'],
  ['sectorSize', 'u32'],
  ['alignment', 'u32'],
  ['cowFormat', 'u32'],
  ['backingFile', 4096],
])

// 64-bit hosts wrote this layout before December 2005: it has the compiler's padding.
//
// offset size field         meaning
//      0    4 magic         0x4f4f4f4d
//      4    4 version       3
//      8    4 mtime         backing file mtime, seconds since 1970
//     12    4 mtimePadding  the other half of a 64-bit mtime, kept unchanged
//     16    8 size          virtual size, bytes
//     24    4 sectorSize    bytes per bitmap bit
//     28    4 alignment     bytes; bitmap and data start on a multiple of it
//     32    4 cowFormat     0 = bitmap
//     36 4096 backingFile   NUL-terminated path
//   4132    4 tailPadding   kept unchanged
const version3Padded = defineStruct([
  ['magic', 'u32'],
  ['version', 'u32'],
  ['mtime', 'u32'],
  ['mtimePadding', 'u32'],
  ['size', 'u64'],
  ['sectorSize', 'u32'],
  ['alignment', 'u32'],
  ['cowFormat', 'u32'],
  ['backingFile', 4096],
  ['tailPadding', 4],
])

export const headerStructs = { v1: version1, v2: version2, v3: version3, v3padded: version3Padded }

export type HeaderLayout = keyof typeof headerStructs
