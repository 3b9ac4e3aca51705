import { readHalf, readWord } from '../../../bytes/words.js'
import { type ExtSuperblock, extIncompatible, extInodeFlags, hasBit } from '../../../formats/ext/index.js'

// Millions of inodes: nothing here makes an object or a promise for each one.

const mapAt = 0x28
const directCount = 12
const maxWritten = 32768
const nodeMagic = 0xf30a

/** Where the parts of a file are, as its record alone says. */
export interface RecordPlaces {
  readonly onData: (start: number, length: number) => void
  readonly onAttributes: (block: number) => void
}

/**
 * Visit the blocks that the record of an inode names: data, reserved blocks, and extended attributes.
 *
 * @param at  where the record is in the bytes
 * @returns   false when its map goes on in other blocks, or is none: read the map then
 */
export function visitRecord(superblock: ExtSuperblock, bytes: Uint8Array, at: number, places: RecordPlaces): boolean {
  const attributes =
    readWord(bytes, at + 0x68) +
    (hasBit(superblock.incompatible, extIncompatible.wide) ? readHalf(bytes, at + 0x76) * 2 ** 32 : 0)
  if (attributes !== 0) places.onAttributes(attributes)
  const type = readHalf(bytes, at) >>> 12
  const flags = readWord(bytes, at + 0x20)
  // Files, directories and symbolic links have blocks. A link of up to 59 bytes is in the record.
  const hasMap = type === 8 || type === 4 || (type === 10 && readWord(bytes, at + 4) >= 60)
  if (!hasMap || hasBit(flags, extInodeFlags.inlineData)) return true
  return hasBit(flags, extInodeFlags.extents)
    ? visitTree(bytes, at + mapAt, places)
    : visitPointers(bytes, at + mapAt, places)
}

function visitTree(bytes: Uint8Array, at: number, { onData }: RecordPlaces): boolean {
  const isLeaf = readHalf(bytes, at) === nodeMagic && readHalf(bytes, at + 6) === 0
  if (!isLeaf) return false
  const count = Math.min(4, readHalf(bytes, at + 2))
  for (let entry = at + 12; entry < at + 12 * (count + 1); entry += 12) {
    const length = readHalf(bytes, entry + 4)
    const start = readWord(bytes, entry + 8) + readHalf(bytes, entry + 6) * 2 ** 32
    onData(start, length > maxWritten ? length - maxWritten : length)
  }
  return true
}

function visitPointers(bytes: Uint8Array, at: number, { onData }: RecordPlaces): boolean {
  for (let i = 0; i < directCount; i++) {
    const block = readWord(bytes, at + i * 4)
    if (block !== 0) onData(block, 1)
  }
  return readWord(bytes, at + 48) === 0 && readWord(bytes, at + 52) === 0 && readWord(bytes, at + 56) === 0
}
