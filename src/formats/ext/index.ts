export { isMinimalAccessList, modeWithoutAccessList, toProgramAccessList } from './access-list.js'
export {
  isAttributeBlockRight,
  parseAttributeBlock,
  parseInodeAttributes,
  type StoredAttribute,
} from './attributes.js'
export { crc16, crc32c, crc32cWord, crcStart } from './checksums.js'
export { type DirectoryRecord, isDirectoryBlockRight, parseDirectoryBlock } from './directory-block.js'
export {
  type ExtentEntry,
  type ExtentNode,
  isExtentNode,
  isExtentNodeRight,
  maxExtentDepth,
  parseExtentNode,
} from './extent-node.js'
export { extCompatible, extFeatureNames, extIncompatible, extKind, extReadOnlyCompatible, hasBit } from './features.js'
export { countExtBackups, type ExtGroup, extGroupPlace, hasExtBackup, parseExtGroup } from './group-descriptor.js'
export {
  type ExtInode,
  type ExtTime,
  extInodeSeed,
  isExtInodeRight,
  parseExtInode,
} from './inode.js'
export { extFlagNames, extInodeFlags, extUserFlags } from './inode-flags.js'
export * from './journal/index.js'
export { isOrphanBlockRight, parseOrphanBlock } from './orphan-block.js'
export { extReservedInodes } from './reserved-inodes.js'
export { extStates, type FileSystemState } from './state.js'
export {
  type ExtSuperblock,
  extSuperblockOffset,
  extSuperblockSize,
  isExtSuperblock,
  parseExtSuperblock,
} from './superblock.js'
