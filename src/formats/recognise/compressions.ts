import { latin1Text } from '../../bytes/fast.js'

/** A form of compressed streams. */
export interface Compression {
  /** The program that makes it. */
  readonly name: string
  /** The command that writes the unpacked bytes of a file, or of its input, to its output. */
  readonly unpack: string
}

interface KnownCompression extends Compression {
  /** The first bytes, one character each. */
  readonly magic: string
}

// Sources: RFC 1952 (gzip), RFC 8878 (zstd), the file format pages of xz, lz4 and lzip, and magic(5) for the others.
const compressions: readonly KnownCompression[] = [
  { name: 'gzip', unpack: 'zcat', magic: '\x1f\x8b' },
  { name: 'compress', unpack: 'zcat', magic: '\x1f\x9d' },
  { name: 'xz', unpack: 'xzcat', magic: '\xfd7zXZ\0' },
  { name: 'zstd', unpack: 'zstdcat', magic: '\x28\xb5\x2f\xfd' },
  // The magic number of the first block follows the level from 1 to 9.
  ...[...'123456789'].map((level) => ({ name: 'bzip2', unpack: 'bzcat', magic: `BZh${level}1AY&SY` })),
  { name: 'lz4', unpack: 'lz4cat', magic: '\x04\x22\x4d\x18' },
  // The form that the kernel uses.
  { name: 'lz4', unpack: 'lz4cat', magic: '\x02\x21\x4c\x18' },
  { name: 'lzip', unpack: 'lzip -dc', magic: 'LZIP\x01' },
  { name: 'lzop', unpack: 'lzop -dc', magic: '\x89LZO\0\r\n\x1a\n' },
  // Properties 0x5d, and a dictionary of a power of two from 64 KiB, as all writers have it.
  { name: 'lzma', unpack: 'xzcat', magic: '\x5d\0\0' },
]

/** Bytes that hold any of the magic numbers. */
export const longestMagic = 16

/** Find out how a stream is compressed, by its first bytes; null for no form that umlcow knows. */
export function compressionOf(start: Uint8Array): Compression | null {
  const text = latin1Text(start, 0, Math.min(start.length, longestMagic))
  return compressions.find(({ magic }) => text.startsWith(magic)) ?? null
}
