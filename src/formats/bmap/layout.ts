import type { Stretches } from '../../bytes/stretch-list.js'

// Block maps of bmaptool, version 2: XML in ASCII.  Source: documentation of bmap-tools; files that bmaptool makes
//
// element           content
// bmap              attribute version="2.0"; the elements below, each once
// ImageSize         bytes of the image
// BlockSize         bytes of a block; the last block of an image may be shorter
// BlocksCount       blocks of the image
// MappedBlocksCount blocks of all ranges together
// ChecksumType      sha256
// BmapFileChecksum  digest of the file itself, with 64 digits 0 in this place
// BlockMap          Range elements, ascending: "FIRST-LAST" or "ONLY", numbers of blocks; attribute chksum is the digest
//                   of these blocks, and may be missing

/** Which blocks of an image hold something. The others have no meaning, and umlcow takes them as zeros. */
export interface Bmap {
  /** Bytes. */
  readonly imageSize: number
  readonly blockSize: number
  /** The ranges in bytes, the last one cut at the end of the image. They may touch. */
  readonly stretches: Stretches
  /** The SHA-256 digest of each range in hexadecimal digits; null for a range without one. */
  readonly digests: readonly (string | null)[]
}

/** The most ranges: 7 MiB of text. */
export const mostRanges = 2 ** 16

/** Bytes of a file that umlcow reads at most. */
export const largestBmap = 8 * 1024 * 1024

/** Hexadecimal digits of a SHA-256 digest. */
export const digestLength = 64

/** The block size that umlcow writes. */
export const writtenBlockSize = 4096
