import { floorDivide } from '../../bytes/align.js'
import { crc32c, type ExtGroup } from '../../formats/ext/index.js'
import type { ExtVolume } from './volume.js'

/** Read the bitmap of a group that says which inodes are in use, and check it the first time. */
export function readInodeBitmap(volume: ExtVolume, group: ExtGroup): Uint8Array | Promise<Uint8Array> {
  const { inodeBitmap, inodeBitmapChecksum, number } = group
  const name = `inode bitmap of group ${number}`
  const check = { key: 2 * number, stored: inodeBitmapChecksum, bits: volume.superblock.inodesPerGroup, name }
  return readBitmap(volume, inodeBitmap, check)
}

/** Read the bitmap of a group that says which clusters are in use, and check it the first time. */
export function readBlockBitmap(volume: ExtVolume, group: ExtGroup): Uint8Array | Promise<Uint8Array> {
  const { blockBitmap, blockBitmapChecksum, number } = group
  const { blocksPerGroup, blocksPerCluster } = volume.superblock
  const bits = floorDivide(blocksPerGroup, blocksPerCluster)
  const name = `block bitmap of group ${number}`
  return readBitmap(volume, blockBitmap, { key: 2 * number + 1, stored: blockBitmapChecksum, bits, name })
}

interface BitmapCheck {
  /** One number for each bitmap of the file system. */
  readonly key: number
  readonly stored: number | null
  readonly bits: number
  readonly name: string
}

function readBitmap(volume: ExtVolume, block: number, check: BitmapCheck): Uint8Array | Promise<Uint8Array> {
  const bytes = volume.block(block)
  if (volume.checkedBitmaps.has(check.key)) return bytes
  return bytes instanceof Uint8Array
    ? checked(volume, bytes, check)
    : bytes.then((read) => checked(volume, read, check))
}

function checked(volume: ExtVolume, bitmap: Uint8Array, { key, stored, bits, name }: BitmapCheck): Uint8Array {
  const { checksumSeed, descriptorSize } = volume.superblock
  if (checksumSeed !== null && stored !== null) {
    const value = crc32c(checksumSeed, bitmap, 0, Math.min(bitmap.length, floorDivide(bits, 8)))
    // Short descriptors have the lower half only.
    const isWide = descriptorSize >= 64
    if ((isWide ? value : value % 2 ** 16) !== stored)
      volume.findings.damage('checksum', `wrong checksum of the ${name}`)
  }
  volume.checkedBitmaps.add(key)
  return bitmap
}
