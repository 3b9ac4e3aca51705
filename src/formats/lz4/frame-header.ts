import { readWord, writeWord } from '../../bytes/words.js'
import { UmlcowError } from '../../errors.js'
import { badLz4, type Lz4Place } from './error.js'
import { blockSizes, firstBlockSizeCode, frameMagic, type Lz4BlockSize } from './layout.js'
import { xxHash32 } from './xxhash32.js'

export interface FrameHeader {
  /** What a block unpacks to at most, bytes. */
  readonly blockSize: Lz4BlockSize
  /** No block refers to the data of another one. */
  readonly independent: boolean
  readonly blockChecksums: boolean
  readonly contentChecksum: boolean
  /** What the frame unpacks to, bytes; null where the header does not say it. */
  readonly contentSize: number | null
}

const flagBits = {
  independent: 0x20,
  blockChecksums: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionary: 0x01,
}
const versionMask = 0xc0
const version1 = 0x40
/** Bits of the second byte that are reserved, all but 6 to 4. */
const reservedOfBlockSize = 0x8f

/** Bytes of the two first fields. */
export const fixedHeaderLength = 2

/** Bytes after the two first fields. @param flags  the first byte after the magic number */
export function restOfHeaderLength(flags: number): number {
  return ((flags & flagBits.contentSize) === 0 ? 0 : 8) + ((flags & flagBits.dictionary) === 0 ? 0 : 4) + 1
}

/**
 * Read the header of a frame.
 *
 * @param bytes  all fields after the magic number
 * @throws       UmlcowError BAD_COMPRESSED, NO_CODEC
 */
export function parseFrameHeader(bytes: Uint8Array, place: Lz4Place): FrameHeader {
  const [flags = 0, second = 0] = bytes
  if ((flags & versionMask) !== version1) throw badLz4(place, `version ${flags >>> 6}, expected 1,`)
  const check = bytes.length - 1
  if (bytes[check] !== checkOf(bytes.subarray(0, check))) throw badLz4(place, 'a wrong checksum of the header')
  if ((flags & flagBits.reserved) !== 0 || (second & reservedOfBlockSize) !== 0)
    throw badLz4(place, 'reserved bits in the header')
  const blockSize = blockSizes[(second >>> 4) - firstBlockSizeCode]
  if (blockSize === undefined) throw badLz4(place, `an unknown block size, code ${second >>> 4},`)
  if ((flags & flagBits.dictionary) !== 0) {
    throw new UmlcowError('NO_CODEC', `${place.name}: is compressed with an LZ4 dictionary`, {
      hint: 'unpack it first: "lz4 -d -D DICTIONARY FILE NEW" does that',
    })
  }
  return {
    blockSize,
    independent: (flags & flagBits.independent) !== 0,
    blockChecksums: (flags & flagBits.blockChecksums) !== 0,
    contentChecksum: (flags & flagBits.contentChecksum) !== 0,
    contentSize: (flags & flagBits.contentSize) === 0 ? null : contentSizeOf(bytes, place),
  }
}

function contentSizeOf(bytes: Uint8Array, place: Lz4Place): number {
  const size = readWord(bytes, fixedHeaderLength) + readWord(bytes, fixedHeaderLength + 4) * 2 ** 32
  if (size > Number.MAX_SAFE_INTEGER) throw badLz4(place, 'a content size of more than 2^53 bytes')
  return size
}

/** Make the header of a frame, with its magic number. @param header  contentSize is a safe number */
export function serializeFrameHeader(header: FrameHeader): Uint8Array {
  const { independent, blockChecksums, contentChecksum, contentSize } = header
  let flags = version1
  if (independent) flags |= flagBits.independent
  if (blockChecksums) flags |= flagBits.blockChecksums
  if (contentChecksum) flags |= flagBits.contentChecksum
  if (contentSize !== null) flags |= flagBits.contentSize
  const bytes = new Uint8Array(4 + fixedHeaderLength + restOfHeaderLength(flags))
  writeWord(bytes, 0, frameMagic)
  bytes[4] = flags
  bytes[5] = (blockSizes.indexOf(header.blockSize) + firstBlockSizeCode) << 4
  if (contentSize !== null) {
    writeWord(bytes, 6, contentSize % 2 ** 32)
    writeWord(bytes, 10, Math.floor(contentSize / 2 ** 32))
  }
  bytes[bytes.length - 1] = checkOf(bytes.subarray(4, -1))
  return bytes
}

function checkOf(fields: Uint8Array): number {
  return (xxHash32(fields) >>> 8) & 0xff
}
