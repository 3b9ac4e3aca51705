// The three sets of features in the superblock.  Source: Linux Documentation/filesystems/ext4/super.rst
// compatible:        a reader and a writer may ignore what they do not know
// incompatible:      a reader must know all of them
// readOnlyCompatible: a reader may ignore what it does not know

/** Features that a reader may ignore, each a bit. */
export const extCompatible = {
  hasJournal: 0x4,
  extendedAttributes: 0x8,
  directoryIndex: 0x20,
  sparseSuper2: 0x200,
  fastCommit: 0x400,
  orphanFile: 0x1000,
} as const

/** Features that a reader must know, each a bit. */
export const extIncompatible = {
  compression: 0x1,
  fileTypes: 0x2,
  needsRecovery: 0x4,
  journalDevice: 0x8,
  metaGroups: 0x10,
  extents: 0x40,
  wide: 0x80,
  multipleMount: 0x100,
  flexibleGroups: 0x200,
  attributeInodes: 0x400,
  directoryData: 0x1000,
  checksumSeed: 0x2000,
  largeDirectories: 0x4000,
  inlineData: 0x8000,
  encryption: 0x10000,
  caseFolding: 0x20000,
} as const

/** Features that a writer must know, each a bit. */
export const extReadOnlyCompatible = {
  sparseSuper: 0x1,
  groupChecksums: 0x10,
  hugeFiles: 0x8,
  clusters: 0x200,
  metadataChecksums: 0x400,
  sharedBlocks: 0x4000,
  orphansPresent: 0x10000,
} as const

// Names that e2fsprogs gives to the features.  Source: ext4(5), "FILE SYSTEM FEATURES"; Linux
// Documentation/filesystems/ext4/super.rst. Each set in the order of its bits, as dumpe2fs prints them.
type Names = readonly (readonly [bit: number, name: string])[]

const compatibleNames: Names = [
  [0x1, 'dir_prealloc'],
  [0x2, 'imagic_inodes'],
  [0x4, 'has_journal'],
  [0x8, 'ext_attr'],
  [0x10, 'resize_inode'],
  [0x20, 'dir_index'],
  [0x200, 'sparse_super2'],
  [0x400, 'fast_commit'],
  [0x800, 'stable_inodes'],
  [0x1000, 'orphan_file'],
]

const incompatibleNames: Names = [
  [0x1, 'compression'],
  [0x2, 'filetype'],
  [0x4, 'needs_recovery'],
  [0x8, 'journal_dev'],
  [0x10, 'meta_bg'],
  [0x40, 'extent'],
  [0x80, '64bit'],
  [0x100, 'mmp'],
  [0x200, 'flex_bg'],
  [0x400, 'ea_inode'],
  [0x1000, 'dirdata'],
  [0x2000, 'metadata_csum_seed'],
  [0x4000, 'large_dir'],
  [0x8000, 'inline_data'],
  [0x10000, 'encrypt'],
  [0x20000, 'casefold'],
]

const readOnlyCompatibleNames: Names = [
  [0x1, 'sparse_super'],
  [0x2, 'large_file'],
  [0x8, 'huge_file'],
  [0x10, 'uninit_bg'],
  [0x20, 'dir_nlink'],
  [0x40, 'extra_isize'],
  [0x100, 'quota'],
  [0x200, 'bigalloc'],
  [0x400, 'metadata_csum'],
  [0x1000, 'read-only'],
  [0x2000, 'project'],
  [0x4000, 'shared_blocks'],
  [0x8000, 'verity'],
  [0x10000, 'orphan_present'],
]

/** What a superblock says about its features. */
interface FeatureSets {
  readonly compatible: number
  readonly incompatible: number
  readonly readOnlyCompatible: number
}

/** Name all features of a file system as e2fsprogs names them: `FEATURE_I5` is bit 5 of the incompatible ones. */
export function extFeatureNames({ compatible, incompatible, readOnlyCompatible }: FeatureSets): string[] {
  return [
    ...namesOf(compatible, compatibleNames, 'C'),
    ...namesOf(incompatible, incompatibleNames, 'I'),
    ...namesOf(readOnlyCompatible, readOnlyCompatibleNames, 'R'),
  ]
}

// What the older drivers read.  Source: Linux fs/ext4/ext4.h, EXT2_FEATURE_..._SUPP and EXT3_FEATURE_..._SUPP
const ofExt2 = extIncompatible.fileTypes | extIncompatible.metaGroups
const ofExt3 = ofExt2 | extIncompatible.needsRecovery
/** sparse_super, large_file and 0x4. */
const readOnlyOfBoth = 0x1 | 0x2 | 0x4

/** Name the kind of a file system by the oldest driver that reads it. */
export function extKind({
  revision,
  compatible,
  incompatible,
  readOnlyCompatible,
}: FeatureSets & { readonly revision: number }): 'ext2' | 'ext3' | 'ext4' {
  // Old programs left anything where newer ones keep features.
  if (revision === 0) return 'ext2'
  if (hasBit(readOnlyCompatible, ~readOnlyOfBoth) || hasBit(incompatible, ~ofExt3)) return 'ext4'
  if (hasBit(compatible, extCompatible.hasJournal)) return 'ext3'
  return hasBit(incompatible, ~ofExt2) ? 'ext4' : 'ext2'
}

function namesOf(bits: number, names: Names, letter: string): string[] {
  const found: string[] = []
  for (let index = 0; index < 32; index++) {
    const bit = 2 ** index
    if (hasBit(bits, bit)) found.push(names.find(([one]) => one === bit)?.[1] ?? `FEATURE_${letter}${index}`)
  }
  return found
}

const { compression, journalDevice, directoryData } = extIncompatible
const readable = Object.values(extIncompatible).reduce((sum, bit) => sum + bit, 0)
const unreadable = ~readable | compression | journalDevice | directoryData

/** Name the features of a set of incompatible ones that umlcow cannot read: none is an empty list. */
export function unreadableExtFeatures(incompatible: number): string[] {
  return namesOf(incompatible & unreadable, incompatibleNames, 'I')
}

/** True when a number of 32 bits has this bit. */
export function hasBit(bits: number, bit: number): boolean {
  return (bits & bit) !== 0
}
