import { defineStruct } from '../../bytes/struct.js'

// All numbers are big-endian, all layouts are packed.  Source: QEMU docs/interop/qcow2.rst

/** 'QFI\xfb' */
export const qcow2Magic = 0x514649fb

// offset size field                 meaning
//      0    4 magic                 0x514649fb
//      4    4 version               2 or 3
//      8    8 backingOffset         where the path of the backing file is; 0 = no backing file
//     16    4 backingLength         bytes of that path, at most 1023
//     20    4 clusterBits           a cluster has 2^clusterBits bytes; 9 to 21 in QEMU
//     24    8 size                  virtual size, bytes
//     32    4 cryptMethod           0 = not encrypted
//     36    4 l1Size                entries of the active L1 table
//     40    8 l1Offset              where it starts
//     48    8 refcountTableOffset   where the refcount table starts
//     56    4 refcountTableClusters its length in clusters
//     60    4 snapshotCount         internal snapshots
//     64    8 snapshotsOffset       where the snapshot table starts
export const version2Struct = defineStruct([
  ['magic', 'u32'],
  ['version', 'u32'],
  ['backingOffset', 'u64'],
  ['backingLength', 'u32'],
  ['clusterBits', 'u32'],
  ['size', 'u64'],
  ['cryptMethod', 'u32'],
  ['l1Size', 'u32'],
  ['l1Offset', 'u64'],
  ['refcountTableOffset', 'u64'],
  ['refcountTableClusters', 'u32'],
  ['snapshotCount', 'u32'],
  ['snapshotsOffset', 'u64'],
])

// Version 3 continues. Of the 64 bits of each kind of feature, the upper 32 come first.
//
// offset size field                 meaning
//     72    4 incompatibleHigh      a reader must know every bit that is set
//     76    4 incompatibleLow
//     80    4 compatibleHigh        a reader may ignore these
//     84    4 compatibleLow
//     88    4 autoclearHigh         a writer clears the ones that it does not know
//     92    4 autoclearLow
//     96    4 refcountOrder         a refcount has 2^refcountOrder bits; 0 to 6
//    100    4 headerLength          bytes of the header, a multiple of 8 from 104 on
export const version3Struct = defineStruct([
  ['incompatibleHigh', 'u32'],
  ['incompatibleLow', 'u32'],
  ['compatibleHigh', 'u32'],
  ['compatibleLow', 'u32'],
  ['autoclearHigh', 'u32'],
  ['autoclearLow', 'u32'],
  ['refcountOrder', 'u32'],
  ['headerLength', 'u32'],
])

/** Where the byte of the compression type is in a header that is long enough: 0 = zlib, 1 = zstd. */
export const compressionTypeOffset = 104

/** Numbers of the bits among the incompatible features. */
export const incompatibleBit = { dirty: 0, corrupt: 1, dataFile: 2, compressionType: 3, extendedL2: 4 } as const

/** Number of the bit among the compatible features. */
export const lazyRefcountsBit = 0

/** Number of the bit among the autoclear features: the bitmaps extension is consistent. */
export const bitmapsBit = 0

/** Types of header extensions. Each has its type, its length, its data, and padding to a multiple of 8 bytes. */
export const extensionType = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
} as const

/** Limits of QEMU. Larger values are refused: no program makes them. */
export const limits = {
  clusterBits: { least: 9, most: 21 },
  /** With subclusters a cluster has at least 16 KiB. */
  leastExtendedClusterBits: 14,
  backingLength: 1023,
  l1Bytes: 32 * 1024 * 1024,
  refcountTableBytes: 8 * 1024 * 1024,
  refcountOrder: 6,
  snapshots: 65_536,
  bitmaps: 65_535,
} as const
