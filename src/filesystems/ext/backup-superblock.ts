import { readHalf } from '../../bytes/words.js'
import { UmlcowError } from '../../errors.js'
import { extSuperblockSize, isExtSuperblock, parseExtSuperblock } from '../../formats/ext/index.js'
import type { Image } from '../../images/image.js'

const groups: readonly number[] = [1, 3, 5, 7, 9]
const blockSizes: readonly number[] = [1, 2, 4, 8, 16, 32, 64].map((size) => size * 1024)

/** A copy of the superblock that can be used. */
export interface BackupSuperblock {
  readonly block: number
  readonly blockSize: number
}

/** Look for a copy of the superblock in the places of groups of full size. */
export async function findBackupSuperblock(image: Image): Promise<BackupSuperblock | null> {
  for (const blockSize of blockSizes) {
    for (const group of groups) {
      const block = group * 8 * blockSize + (blockSize === 1024 ? 1 : 0)
      if ((block + 1) * blockSize > image.virtualSize) break
      const bytes = new Uint8Array(extSuperblockSize)
      await image.read(block * blockSize, bytes)
      if (isCopy(bytes, blockSize, group)) return { block, blockSize }
    }
  }
  return null
}

function isCopy(bytes: Uint8Array, blockSize: number, group: number): boolean {
  const groupNumberAt = 0x5a
  if (!isExtSuperblock(bytes) || readHalf(bytes, groupNumberAt) !== group) return false
  try {
    const superblock = parseExtSuperblock(bytes)
    return superblock.blockSize === blockSize && superblock.isChecksumRight
  } catch (error) {
    if (error instanceof UmlcowError) return false
    throw error
  }
}
