import { ceilDivide, isPowerOfTwo } from '../../bytes/align.js'
import { indexOfByte } from '../../bytes/fast.js'
import { defineStruct, type Values } from '../../bytes/struct.js'
import { readWord } from '../../bytes/words.js'
import { UmlcowError } from '../../errors.js'
import { crc32c, crcStart } from './checksums.js'
import { extCompatible, extIncompatible, extReadOnlyCompatible, hasBit, unreadableExtFeatures } from './features.js'

// Superblock, little-endian, packed, at byte 1024.  Source: Linux Documentation/filesystems/ext4/super.rst
// "...Lo" and "...Hi" are the lower and the upper half of one number. The upper halves count with the feature 64bit.
const fields = [
  ['inodeCount', 'u32'], //           0x000
  ['blockCountLo', 'u32'], //         0x004
  ['reservedCountLo', 'u32'], //      0x008
  ['freeBlockCountLo', 'u32'], //     0x00c
  ['freeInodeCount', 'u32'], //       0x010
  ['firstDataBlock', 'u32'], //       0x014 the block that holds the superblock: 1 with blocks of 1 KiB, else 0
  ['logBlockSize', 'u32'], //         0x018 block size 2^(10 + value)
  ['logClusterSize', 'u32'], //       0x01c the same for clusters, with the feature bigalloc
  ['blocksPerGroup', 'u32'], //       0x020
  ['clustersPerGroup', 'u32'], //     0x024
  ['inodesPerGroup', 'u32'], //       0x028
  ['mountTimeLo', 'u32'], //          0x02c seconds since 1970
  ['writeTimeLo', 'u32'], //          0x030
  ['mountCount', 'u16'], //           0x034
  ['maxMountCount', 'u16'], //        0x036
  ['magic', 'u16'], //                0x038 0xef53
  ['state', 'u16'], //                0x03a bit 0: unmounted cleanly, bit 1: errors, bit 2: orphans are recovered
  ['errorBehaviour', 'u16'], //       0x03c
  ['minorRevision', 'u16'], //        0x03e
  ['checkTimeLo', 'u32'], //          0x040
  ['checkInterval', 'u32'], //        0x044
  ['creatorOs', 'u32'], //            0x048
  ['revision', 'u32'], //             0x04c 0: inodes of 128 bytes, no features
  ['reservedUid', 'u16'], //          0x050
  ['reservedGid', 'u16'], //          0x052
  ['firstInode', 'u32'], //           0x054 first inode that is not reserved
  ['inodeSize', 'u16'], //            0x058
  ['groupNumber', 'u16'], //          0x05a of this copy
  ['compatible', 'u32'], //           0x05c
  ['incompatible', 'u32'], //         0x060
  ['readOnlyCompatible', 'u32'], //   0x064
  ['uuid', 16], //                    0x068
  ['label', 16], //                   0x078 ends at a NUL
  ['lastMounted', 64], //             0x088 ends at a NUL
  ['usageBitmap', 'u32'], //          0x0c8
  ['preallocation', 'u16'], //        0x0cc
  ['reservedGroupBlocks', 'u16'], //  0x0ce
  ['journalUuid', 16], //             0x0d0 of an external journal
  ['journalInode', 'u32'], //         0x0e0
  ['journalDevice', 'u32'], //        0x0e4
  ['lastOrphan', 'u32'], //           0x0e8 first inode of the list of orphans
  ['hashSeed', 16], //                0x0ec
  ['hashVersion', 'u8'], //           0x0fc
  ['journalBackupType', 'u8'], //     0x0fd
  ['descriptorSize', 'u16'], //       0x0fe with the feature 64bit
  ['mountOptions', 'u32'], //         0x100
  ['firstMetaGroup', 'u32'], //       0x104 first block of descriptors that lies in its own groups, with meta_bg
  ['makeTimeLo', 'u32'], //           0x108
  ['journalBlocks', 68], //           0x10c copy of the journal's block map, then its size
  ['blockCountHi', 'u32'], //         0x150
  ['reservedCountHi', 'u32'], //      0x154
  ['freeBlockCountHi', 'u32'], //     0x158
  ['minExtraSize', 'u16'], //         0x15c
  ['wantExtraSize', 'u16'], //        0x15e
  ['flags', 'u32'], //                0x160
  ['strideAndMmp', 28], //            0x164 RAID stride, multiple mount protection, checksum type, counters
  ['snapshotsAndErrors', 204], //     0x180
  ['backupGroups', 8], //             0x24c with sparse_super2: the two groups that hold a copy
  ['encryption', 20], //              0x254
  ['lostAndFoundInode', 'u32'], //    0x268
  ['projectQuotaInode', 'u32'], //    0x26c
  ['checksumSeed', 'u32'], //         0x270 with metadata_csum_seed
  ['timesHi', 8], //                  0x274 bits 32 to 39 of the times of write, mount, make, check; then of errors
  ['encoding', 'u16'], //             0x27c with casefold
  ['encodingFlags', 'u16'], //        0x27e
  ['orphanFileInode', 'u32'], //      0x280
  ['reserved', 376], //               0x284
  ['checksum', 'u32'], //             0x3fc crc32c of all before it
] as const

const struct = defineStruct(fields)

type Raw = Values<typeof fields>

/** Where the superblock starts, bytes from the start of the file system, and its length. */
export const extSuperblockOffset = 1024
export const extSuperblockSize: number = struct.size

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
  return bytes.length >= struct.size && bytes[0x38] === magic % 256 && bytes[0x39] === Math.floor(magic / 256)
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
  const raw = struct.parse(bytes, littleEndian)
  // Revision 0 has neither features nor a size of inodes: old programs left anything there.
  if (raw.revision === 0) Object.assign(raw, { inodeSize: 128, firstInode: 11, ...noFeatures })
  assertReadable(raw)
  const superblock = { ...sizesOf(raw), ...factsOf(raw), ...checksumsOf(raw, bytes) }
  assertGeometry(superblock, raw)
  return superblock
}

const noFeatures = { compatible: 0, incompatible: 0, readOnlyCompatible: 0 }

function assertReadable(raw: Raw): void {
  const unknown = unreadableExtFeatures(raw.incompatible)
  if (raw.revision > 1) unknown.push(`revision ${raw.revision}`)
  if (unknown.length === 0) return
  throw new UmlcowError('FS_UNSUPPORTED', `umlcow cannot read this ext file system: it uses ${unknown.join(', ')}`, {
    details: { features: unknown },
  })
}

function sizesOf(raw: Raw) {
  const isWide = hasBit(raw.incompatible, extIncompatible.wide)
  const whole = (low: number, high: number) => low + (isWide ? high * 2 ** 32 : 0)
  // Bounded here: a block size of 2^(10 + 2^32) has no number.
  const blockSize = 2 ** (10 + Math.min(raw.logBlockSize, 7))
  const hasClusters = hasBit(raw.readOnlyCompatible, extReadOnlyCompatible.clusters)
  const blockCount = whole(raw.blockCountLo, raw.blockCountHi)
  return {
    blockSize,
    blockCount,
    freeBlockCount: whole(raw.freeBlockCountLo, raw.freeBlockCountHi),
    reservedBlockCount: whole(raw.reservedCountLo, raw.reservedCountHi),
    blocksPerCluster: hasClusters ? 2 ** (Math.min(raw.logClusterSize, 32) - Math.min(raw.logBlockSize, 7)) : 1,
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

function factsOf(raw: Raw) {
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

function checksumsOf(raw: Raw, bytes: Uint8Array) {
  if (!hasBit(raw.readOnlyCompatible, extReadOnlyCompatible.metadataChecksums)) {
    return { checksumSeed: null, isChecksumRight: true }
  }
  const hasSeed = hasBit(raw.incompatible, extIncompatible.checksumSeed)
  return {
    checksumSeed: hasSeed ? raw.checksumSeed : crc32c(crcStart, raw.uuid),
    isChecksumRight: crc32c(crcStart, bytes, 0, struct.offsetOf('checksum')) === raw.checksum,
  }
}

/** All numbers that a reader computes with are checked here once. */
function assertGeometry(superblock: ReturnType<typeof sizesOf>, raw: Raw): void {
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
