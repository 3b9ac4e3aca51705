import { hasCode, UmlcowError } from '../../errors.js'
import {
  type ExtInode,
  type ExtSuperblock,
  extCompatible,
  extIncompatible,
  extSuperblockOffset,
  extSuperblockSize,
  hasBit,
  parseExtSuperblock,
} from '../../formats/ext/index.js'
import type { Image } from '../../images/image.js'
import { readAttributes } from './attributes.js'
import { findBackupSuperblock } from './backup-superblock.js'
import { listDirectory } from './directories.js'
import type { ExtFileSystem, ExtJournal, ExtOptions } from './ext-file-system.js'
import { ExtFindings } from './findings.js'
import { readInodes, scanInodes } from './inode-table.js'
import { replayInMemory } from './journal/replay-in-memory.js'
import { lookUp } from './lookup.js'
import { mapFile } from './map/map-file.js'
import { listOrphans } from './orphans.js'
import { readFile, readLinkTarget } from './read-file.js'
import { openVolume, scanGroups } from './volume.js'

/**
 * Open the ext2, ext3 or ext4 file system that an image holds, to read only. The caller closes the image.
 *
 * @throws UmlcowError FS_UNKNOWN when the image holds none; FS_UNSUPPORTED when it uses a feature that umlcow does not
 *         know, or its journal cannot be replayed; FS_DAMAGED when its superblock or its journal cannot be right
 */
export async function openExt(image: Image, options: ExtOptions = {}): Promise<ExtFileSystem> {
  const findings = new ExtFindings(options.damage)
  const superblock = await readExtSuperblock(image, findings)
  if (!hasBit(superblock.incompatible, extIncompatible.needsRecovery)) {
    const hasJournal = hasBit(superblock.compatible, extCompatible.hasJournal)
    return mountExt(image, { superblock }, findings, { ...notReplayed, state: hasJournal ? 'clean' : 'none' })
  }
  const replayed = options.replay === false ? null : await replayInMemory(image, superblock, findings)
  if (replayed === null) {
    findings.add({ kind: 'not-replayed', message: 'the journal was not replayed: the file system may look damaged' })
    return mountExt(image, { superblock }, findings, { ...notReplayed, state: 'not-replayed' })
  }
  // The journal may hold the superblock, too.
  const after = await readExtSuperblock(replayed.image, findings)
  return mountExt(replayed.image, { superblock: after, superblockOnDisk: superblock }, findings, replayed.journal)
}

const notReplayed = { transactionCount: 0, blocks: new Float64Array(0) }

/** Read and check the superblock of an image. An error names a copy that can be used. */
async function readExtSuperblock(image: Image, findings: ExtFindings): Promise<ExtSuperblock> {
  const bytes = new Uint8Array(extSuperblockSize)
  if (image.virtualSize >= extSuperblockOffset + extSuperblockSize) await image.read(extSuperblockOffset, bytes)
  const superblock = await orBackup(image, () => {
    const parsed = parseExtSuperblock(bytes)
    if (!parsed.isChecksumRight) findings.damage('checksum', 'wrong checksum of the superblock')
    return parsed
  })
  const size = superblock.blockCount * superblock.blockSize
  if (size > image.virtualSize) {
    findings.damage('size', `the file system has ${size} bytes, its image only ${image.virtualSize}`)
  }
  return superblock
}

async function orBackup(image: Image, parse: () => ExtSuperblock): Promise<ExtSuperblock> {
  try {
    return parse()
  } catch (error) {
    const isUnusable = hasCode(error, 'FS_UNKNOWN', 'FS_DAMAGED')
    const backup = isUnusable ? await findBackupSuperblock(image) : null
    if (backup === null) throw error
    const { block, blockSize } = backup
    throw new UmlcowError('FS_DAMAGED', `${(error as Error).message}; a copy in block ${block} is whole`, {
      details: { block, blockSize },
      hint: `copy the image, and run "e2fsck -b ${block} -B ${blockSize}" on the copy`,
      cause: error,
    })
  }
}

/** Make the reader of an image, after the replay of its journal. */
async function mountExt(
  image: Image,
  { superblock, superblockOnDisk = superblock }: { superblock: ExtSuperblock; superblockOnDisk?: ExtSuperblock },
  findings: ExtFindings,
  journal: ExtJournal,
): Promise<ExtFileSystem> {
  const volume = openVolume(image, superblock, findings)
  return {
    superblock,
    superblockOnDisk,
    findings: findings.list,
    journal,
    orphans: await listOrphans(volume),
    image,
    volume,
    inode: async (number) => (await readInodes(volume, [number]))[0] as ExtInode,
    inodesOf: (numbers) => readInodes(volume, numbers),
    entries: (directory, isWanted) => listDirectory(volume, directory, isWanted),
    extents: (inode, { onMapBlock } = {}) => mapFile(volume, inode, { onMapBlock }),
    read: (inode, offset, target) => readFile(volume, inode, offset, target),
    readLink: (inode) => readLinkTarget(volume, inode),
    attributes: (inode) => readAttributes(volume, inode),
    lookup: (path, { followLast = true } = {}) => lookUp(volume, path, followLast),
    groups: () => scanGroups(volume),
    inodes: () => scanInodes(volume),
  }
}
