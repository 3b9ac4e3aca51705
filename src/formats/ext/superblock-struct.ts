import { defineStruct, type Values } from '../../bytes/struct.js'

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
  ['snapshotsAndErrors', 200], //     0x180
  ['overheadClusters', 'u32'], //     0x248 clusters of metadata that df does not count; 0: not computed
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

export const superblockStruct = defineStruct(fields)

export type RawSuperblock = Values<typeof fields>
