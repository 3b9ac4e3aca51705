import { UmlcowError } from '../../errors.js'
import {
  type ExtInode,
  type ExtSuperblock,
  extIncompatible,
  extSuperblockOffset,
  extSuperblockSize,
  hasBit,
  parseExtSuperblock,
} from '../../formats/ext/index.js'
import type { Image } from '../../images/image.js'
import { readAttributes } from './attributes.js'
import { listDirectory } from './directories.js'
import type { ExtFileSystem, ExtOptions } from './ext-file-system.js'
import { ExtFindings } from './findings.js'
import { readInodes, scanInodes } from './inode-table.js'
import { lookUp } from './lookup.js'
import { mapFile } from './map/map-file.js'
import { readFile, readLinkTarget } from './read-file.js'
import { openVolume } from './volume.js'

/**
 * Open the ext2, ext3 or ext4 file system that an image holds, to read only. The caller closes the image.
 *
 * @throws UmlcowError FS_UNKNOWN when the image holds none; FS_UNSUPPORTED when it uses a feature that umlcow does not
 *         know; FS_DAMAGED when its superblock cannot be right
 */
export async function openExt(image: Image, options: ExtOptions = {}): Promise<ExtFileSystem> {
  const findings = new ExtFindings(options.damage)
  const superblock = await readExtSuperblock(image, findings)
  if (hasBit(superblock.incompatible, extIncompatible.needsRecovery)) {
    if (options.replay !== false) {
      throw new UmlcowError('FS_UNSUPPORTED', 'the journal of the file system must be replayed before it can be read')
    }
    findings.add({ kind: 'not-replayed', message: 'the journal was not replayed: the file system may look damaged' })
  }
  return mountExt(image, superblock, findings)
}

/** Read and check the superblock of an image. */
export async function readExtSuperblock(image: Image, findings: ExtFindings): Promise<ExtSuperblock> {
  const bytes = new Uint8Array(extSuperblockSize)
  if (image.virtualSize >= extSuperblockOffset + extSuperblockSize) await image.read(extSuperblockOffset, bytes)
  const superblock = parseExtSuperblock(bytes)
  if (!superblock.isChecksumRight) findings.damage('checksum', 'wrong checksum of the superblock')
  const size = superblock.blockCount * superblock.blockSize
  if (size > image.virtualSize) {
    findings.damage('size', `the file system has ${size} bytes, its image only ${image.virtualSize}`)
  }
  return superblock
}

/** Make the reader of an image as it is, without a look at its journal. */
export function mountExt(image: Image, superblock: ExtSuperblock, findings: ExtFindings): ExtFileSystem {
  const volume = openVolume(image, superblock, findings)
  return {
    superblock,
    findings: findings.list,
    image,
    inode: async (number) => (await readInodes(volume, [number]))[0] as ExtInode,
    inodesOf: (numbers) => readInodes(volume, numbers),
    entries: (directory) => listDirectory(volume, directory),
    extents: (inode, { onMapBlock } = {}) => mapFile(volume, inode, { onMapBlock }),
    read: (inode, offset, target) => readFile(volume, inode, offset, target),
    readLink: (inode) => readLinkTarget(volume, inode),
    attributes: (inode) => readAttributes(volume, inode),
    lookup: (path, { followLast = true } = {}) => lookUp(volume, path, followLast),
    inodes: () => scanInodes(volume),
  }
}
