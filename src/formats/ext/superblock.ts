import { ceilDivide, isPowerOfTwo } from '../../bytes/align.js'
import { indexOfByte } from '../../bytes/fast.js'
import { readWord } from '../../bytes/words.js'
import { UmlcowError } from '../../errors.js'
import { crc32c, crcStart } from './checksums.js'
import { extCompatible, extIncompatible, extReadOnlyCompatible, hasBit, unreadableExtFeatures } from './features.js'
import { type RawSuperblock, superblockStruct } from './superblock-struct.js'

/** Where the superblock starts, bytes from the start of the file system, and its length. */
export const extSuperblockOffset = 1024
export const extSuperblockSize: number = superblockStruct.size

const magic = 0xef53
const littleEndian = true

/** What the superblock says about a whole file system. */
export interface ExtSuperblock {
  /** Bytes: 1 KiB to 64 KiB. */
  readonly blockSize: number
  readonly blockCount: number
  readonly freeBlockCount: number
  /** Blocks that only the superuser may fill. */
  readonly reservedBlockCount: number
  /** Blocks that each copy of the group descriptors may grow by. */
  readonly reservedGroupBlockCount: number
  /** Blocks of metadata of all groups, and of the journal; 0 when the file system does not say it. */
  readonly overheadBlockCount: number
  /** Blocks that are allocated together: 1 without the feature bigalloc. */
  readonly blocksPerCluster: number
  readonly inodeCount: number
  readonly freeInodeCount: number
  /** Bytes: 128 to the block size. */
  readonly inodeSize: number
  /** The first inode that is not reserved. */
  readonly firstInode: number
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  readonly inodesPerGroup: number
  readonly groupCount: number
  /** Bytes of a group descriptor: 32 or more. */
  readonly descriptorSize: number
  readonly firstMetaGroup: number
  /** With sparse_super2: the groups beside group 0 that hold a copy of the superblock. 0: none. */
  readonly backupGroups: readonly [number, number]
  readonly revision: number
  readonly compatible: number
  readonly incompatible: number
  readonly readOnlyCompatible: number
  readonly uuid: Uint8Array
  readonly label: Uint8Array
  readonly lastMounted: Uint8Array
  /** Bit 0: unmounted cleanly. Bit 1: the kernel found errors. */
  readonly state: number
  readonly flags: number
  /** Seconds since 1970; 0 when it never happened. */
  readonly mountTime: number
  readonly writeTime: number
  readonly checkTime: number
  readonly makeTime: number
  readonly mountCount: number
  /** 0: the file system has no journal of its own. */
  readonly journalInode: number
  readonly journalUuid: Uint8Array
  /** A copy of the first 60 bytes of the journal inode's map, and its size in the next 8. */
  readonly journalBlocks: Uint8Array
  /** The first inode of the list of orphans; 0: the list is empty. */
  readonly lastOrphan: number
  /** The inode of the orphan file; 0: there is none. */
  readonly orphanFileInode: number
  /** Where the checksums of all structures start; null when the file system has none. */
  readonly checksumSeed: number | null
  /** The checksum of the superblock is right, or it has none. */
  readonly isChecksumRight: boolean
}

/** True when the bytes at `extSuperblockOffset` are a superblock of ext2, ext3 or ext4, right or wrong. */
export function isExtSuperblock(bytes: Uint8Array): boolean {
  return bytes.length >= superblockStruct.size && bytes[0x38] === magic % 256 && bytes[0x39] === Math.floor(magic / 256)
}

/**
 * Parse a superblock, and check that all numbers fit together. The checksum is the caller's decision.
 *
 * @param bytes  from `extSuperblockOffset` on
 * @throws       UmlcowError FS_UNKNOWN without the magic number; FS_UNSUPPORTED when a reader cannot know the layout;
 *               FS_DAMAGED when numbers contradict each other
 */
export function parseExtSuperblock(bytes: Uint8Array): ExtSuperblock {
  if (!isExtSuperblock(bytes)) {
    throw new UmlcowError('FS_UNKNOWN', 'no ext2, ext3 or ext4 file system: its magic number is not at byte 1080')
  }
  const raw = superblockStruct.parse(bytes, littleEndian)
  // Revision 0 has neither features nor a size of inodes: old programs left anything there.
  if (raw.revision === 0) Object.assign(raw, { inodeSize: 128, firstInode: 11, ...noFeatures })
  assertReadable(raw)
  const superblock = { ...sizesOf(raw), ...factsOf(raw), ...checksumsOf(raw, bytes) }
  assertGeometry(superblock, raw)
  return superblock
}

const noFeatures = { compatible: 0, incompatible: 0, readOnlyCompatible: 0 }

function assertReadable(raw: RawSuperblock): void {
  const unknown = unreadableExtFeatures(raw.incompatible)
  if (raw.revision > 1) unknown.push(`revision ${raw.revision}`)
  if (unknown.length === 0) return
  throw new UmlcowError('FS_UNSUPPORTED', `umlcow cannot read this ext file system: it uses ${unknown.join(', ')}`, {
    details: { features: unknown },
  })
}

function sizesOf(raw: RawSuperblock) {
  const isWide = hasBit(raw.incompatible, extIncompatible.wide)
  const whole = (low: number, high: number) => low + (isWide ? high * 2 ** 32 : 0)
  // Bounded here: a block size of 2^(10 + 2^32) has no number.
  const blockSize = 2 ** (10 + Math.min(raw.logBlockSize, 7))
  const hasClusters = hasBit(raw.readOnlyCompatible, extReadOnlyCompatible.clusters)
  const blocksPerCluster = hasClusters ? 2 ** (Math.min(raw.logClusterSize, 32) - Math.min(raw.logBlockSize, 7)) : 1
  const blockCount = whole(raw.blockCountLo, raw.blockCountHi)
  return {
    blockSize,
    blockCount,
    freeBlockCount: whole(raw.freeBlockCountLo, raw.freeBlockCountHi),
    reservedBlockCount: whole(raw.reservedCountLo, raw.reservedCountHi),
    reservedGroupBlockCount: raw.reservedGroupBlocks,
    overheadBlockCount: raw.overheadClusters * blocksPerCluster,
    blocksPerCluster,
    inodeCount: raw.inodeCount,
    freeInodeCount: raw.freeInodeCount,
    inodeSize: raw.inodeSize,
    firstInode: raw.firstInode,
    firstDataBlock: raw.firstDataBlock,
    blocksPerGroup: raw.blocksPerGroup,
    inodesPerGroup: raw.inodesPerGroup,
    groupCount: ceilDivide(Math.max(0, blockCount - raw.firstDataBlock), Math.max(1, raw.blocksPerGroup)),
    descriptorSize: isWide ? raw.descriptorSize : 32,
    firstMetaGroup: raw.firstMetaGroup,
  }
}

function factsOf(raw: RawSuperblock) {
  const time = (low: number, high: number | undefined) => low + (high ?? 0) * 2 ** 32
  const { revision, compatible, incompatible, readOnlyCompatible, uuid, state, flags, mountCount } = raw
  return {
    ...{ revision, compatible, incompatible, readOnlyCompatible, uuid, state, flags, mountCount },
    label: textOf(raw.label),
    lastMounted: textOf(raw.lastMounted),
    writeTime: time(raw.writeTimeLo, raw.timesHi[0]),
    mountTime: time(raw.mountTimeLo, raw.timesHi[1]),
    makeTime: time(raw.makeTimeLo, raw.timesHi[2]),
    checkTime: time(raw.checkTimeLo, raw.timesHi[3]),
    journalInode: raw.journalInode,
    journalUuid: raw.journalUuid,
    journalBlocks: raw.journalBlocks,
    lastOrphan: raw.lastOrphan,
    orphanFileInode: hasBit(compatible, extCompatible.orphanFile) ? raw.orphanFileInode : 0,
    backupGroups: [readWord(raw.backupGroups, 0), readWord(raw.backupGroups, 4)] as const,
  }
}

/** The bytes before the first NUL. */
function textOf(bytes: Uint8Array): Uint8Array {
  const end = indexOfByte(bytes, 0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

function checksumsOf(raw: RawSuperblock, bytes: Uint8Array) {
  if (!hasBit(raw.readOnlyCompatible, extReadOnlyCompatible.metadataChecksums)) {
    return { checksumSeed: null, isChecksumRight: true }
  }
  const hasSeed = hasBit(raw.incompatible, extIncompatible.checksumSeed)
  return {
    checksumSeed: hasSeed ? raw.checksumSeed : crc32c(crcStart, raw.uuid),
    isChecksumRight: crc32c(crcStart, bytes, 0, superblockStruct.offsetOf('checksum')) === raw.checksum,
  }
}

/** All numbers that a reader computes with are checked here once. */
function assertGeometry(superblock: ReturnType<typeof sizesOf>, raw: RawSuperblock): void {
  const { blockSize, blockCount, inodeSize, inodesPerGroup, blocksPerGroup, groupCount, descriptorSize } = superblock
  const rules: readonly (readonly [isRight: boolean, what: string])[] = [
    [raw.logBlockSize <= 6, `block size 2^(10 + ${raw.logBlockSize})`],
    [isPowerOfTwo(inodeSize) && inodeSize >= 128 && inodeSize <= blockSize, `inode size ${inodeSize}`],
    [Number.isSafeInteger(blockCount * blockSize), `${blockCount} blocks`],
    [superblock.firstDataBlock <= 1 && superblock.firstDataBlock < blockCount, 'first data block'],
    [blocksPerGroup > 0 && blocksPerGroup <= 8 * blockSize * superblock.blocksPerCluster, 'blocks in a group'],
    [inodesPerGroup > 0 && inodesPerGroup <= 8 * blockSize, `${inodesPerGroup} inodes in a group`],
    [superblock.inodeCount === groupCount * inodesPerGroup, `${superblock.inodeCount} inodes`],
    [isPowerOfTwo(descriptorSize) && descriptorSize >= 32 && descriptorSize <= blockSize, 'descriptor size'],
    [superblock.blocksPerCluster >= 1 && superblock.blocksPerCluster <= 2 ** 20, 'cluster size'],
    [superblock.inodeCount * inodeSize <= blockCount * blockSize, 'inode tables larger than the file system'],
  ]
  const wrong = rules.filter(([isRight]) => !isRight).map(([, what]) => what)
  if (wrong.length === 0) return
  throw new UmlcowError('FS_DAMAGED', `the superblock of the file system is damaged: impossible ${wrong.join(', ')}`)
}
