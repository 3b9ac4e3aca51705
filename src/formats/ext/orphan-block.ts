import { readWord } from '../../bytes/words.js'
import { crc32c, crc32cWord } from './checksums.js'

// A block of the orphan file, little-endian.  Source: Linux Documentation/filesystems/ext4/orphan.rst
// It holds numbers of inodes, 4 bytes each, 0 where there is none. The last 8 bytes: 4 magic, 4 checksum (crc32c of the
// number of the block, 8 bytes, and of the inodes).
const magic = 0x0b10ca04
const tailSize = 8

/** List the inodes in a block of the orphan file. @returns  null when it is none */
export function parseOrphanBlock(bytes: Uint8Array): number[] | null {
  const end = bytes.length - tailSize
  if (readWord(bytes, end) !== magic) return null
  const inodes: number[] = []
  for (let at = 0; at < end; at += 4) {
    const inode = readWord(bytes, at)
    if (inode !== 0) inodes.push(inode)
  }
  return inodes
}

/** True when the checksum of a block of the orphan file is right. @param seed  of the inode */
export function isOrphanBlockRight(bytes: Uint8Array, block: number, seed: number): boolean {
  const end = bytes.length - tailSize
  const value = crc32cWord(crc32cWord(seed, block % 2 ** 32), Math.floor(block / 2 ** 32))
  return crc32c(value, bytes, 0, end) === readWord(bytes, end + 4)
}
