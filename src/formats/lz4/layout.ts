// LZ4 frames, little-endian.  Source: LZ4 Frame Format Description 1.6.4 and LZ4 Block Format Description, lz4.org
//
// offset size field        meaning
//      0    4 magic        0x184d2204
//      4    1 flags        bits 7-6 version 01, 5 independent blocks, 4 block checksums, 3 content size,
//                          2 content checksum, 1 reserved, 0 dictionary
//      5    1 block size   bits 6-4: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB; others reserved
//      6  0/8 content size bytes of the whole frame when unpacked
//      -  0/4 dictionary   its number
//      -    1 check        bits 8-15 of the xxHash32 of all fields after the magic number
//
// Then blocks: u32 size (bit 31: stored as it is), the data, and u32 xxHash32 of the data with block checksums. A size
// of 0 ends the frame. u32 xxHash32 of the content follows, with content checksum.
//
// Skippable frame: u32 0x184d2a50 to 0x184d2a5f, u32 length, and so many bytes of anything.
// Legacy frame: u32 0x184c2102, then blocks of u32 size and data that unpack to 8 MiB each; no end mark.

export const frameMagic = 0x184d2204
export const legacyMagic = 0x184c2102
export const skippableMagic = 0x184d2a50

/** Numbers from `skippableMagic` on that are skippable frames. */
export const skippableMagicCount = 16

/** Bit 31 of the size of a block: the data is stored as it is. */
export const storedBit = 2 ** 31

/** How far back a match may reach, bytes. */
export const historyLength = 64 * 1024

/** What a block of a legacy frame unpacks to, bytes. */
export const legacyBlockSize = 8 * 1024 * 1024

/** The sizes of blocks that a frame can have, bytes. */
export const blockSizes = [64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024] as const

export type Lz4BlockSize = (typeof blockSizes)[number]

/** The number in a header for `blockSizes[0]`. */
export const firstBlockSizeCode = 4

/** Bytes that a block of `length` bytes takes at most, however badly it compresses. */
export function longestBlock(length: number): number {
  return length + Math.floor(length / 255) + 16
}
