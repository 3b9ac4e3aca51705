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

/** Names of e2fsprogs, for messages: the features that a reader must know and this one does not. */
const unreadable: readonly (readonly [bit: number, name: string])[] = [
  [extIncompatible.compression, 'compression'],
  [extIncompatible.journalDevice, 'journal_dev'],
  [extIncompatible.directoryData, 'dirdata'],
]

const readable = Object.values(extIncompatible).reduce((sum, bit) => sum + bit, 0)

/** Name the features of a set of incompatible ones that umlcow cannot read: none is an empty list. */
export function unreadableExtFeatures(incompatible: number): string[] {
  const names = unreadable.filter(([bit]) => hasBit(incompatible, bit)).map(([, name]) => name)
  for (let bit = 1; bit < 2 ** 32; bit *= 2) {
    if (hasBit(incompatible, bit) && !hasBit(readable, bit)) names.push(`FEATURE_I${Math.log2(bit)}`)
  }
  return names
}

/** True when a number of 32 bits has this bit. */
export function hasBit(bits: number, bit: number): boolean {
  return (bits & bit) !== 0
}
