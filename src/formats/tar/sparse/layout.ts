import { defineStruct } from '../../../bytes/struct.js'

// The old form of GNU tar for sparse files: members of type 'S'.  Source: GNU tar manual, "Basic Tar Format"; tar(5).
// The first four stretches lie in the header, from offset 386 on, in the place of the prefix of POSIX:
// offset size field       meaning
//    345   12 atime
//    357   12 ctime
//    369   12 volumeOffset
//    381    5 unused
//    386   96 stretches    4 of them: offset (12 octal digits or base-256), length (12); an empty length ends the list
//    482    1 isExtended   not 0: a block with further stretches follows
//    483   12 realSize     bytes of the file with its holes
//    495   17 padding
export const oldSparseHeader = defineStruct([
  ['common', 345],
  ['atime', 12],
  ['ctime', 12],
  ['volumeOffset', 12],
  ['unused', 5],
  ['stretches', 4 * 24],
  ['isExtended', 1],
  ['realSize', 12],
  ['padding', 17],
])

// offset size field       meaning
//      0  504 stretches    21 of them
//    504    1 isExtended   not 0: another such block follows
//    505    7 padding
export const oldSparseBlock = defineStruct([
  ['stretches', 21 * 24],
  ['isExtended', 1],
  ['padding', 7],
])

/** Length of the offset and of the length of a stretch, bytes. */
export const oldNumberLength = 12

// The forms of pax, in the records of a pax header.  Source: GNU tar manual, "PAX Format, Versions 0.0, 0.1, 1.0".
// 0.0  GNU.sparse.size, GNU.sparse.numblocks, and GNU.sparse.offset and GNU.sparse.numbytes for each stretch
// 0.1  GNU.sparse.size, GNU.sparse.numblocks, GNU.sparse.name, and GNU.sparse.map: "offset,length,offset,length..."
// 1.0  GNU.sparse.major=1, GNU.sparse.minor=0, GNU.sparse.name, GNU.sparse.realsize. The map comes before the data:
//      the number of stretches, then offset and length of each, one decimal number a line, with NULs up to a full
//      block. The size of the member counts the map.
export const sparseRecord = {
  major: 'GNU.sparse.major',
  minor: 'GNU.sparse.minor',
  name: 'GNU.sparse.name',
  realSize: 'GNU.sparse.realsize',
  size: 'GNU.sparse.size',
  count: 'GNU.sparse.numblocks',
  map: 'GNU.sparse.map',
  offset: 'GNU.sparse.offset',
  length: 'GNU.sparse.numbytes',
} as const

/** The record of star's own sparse form. Source: star(5) */
export const starRealSize = 'SCHILY.realsize'

/** The most stretches of one file: 32 MiB of memory. */
export const maxStretches = 2 ** 21
