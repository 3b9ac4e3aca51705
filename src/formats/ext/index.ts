export { crc16, crc32c, crc32cWord, crcStart } from './checksums.js'
export { extCompatible, extIncompatible, extReadOnlyCompatible, hasBit } from './features.js'
export {
  type ExtInode,
  type ExtTime,
  extInodeFlags,
  extInodeSeed,
  isExtInodeRight,
  parseExtInode,
} from './inode.js'
export {
  type ExtSuperblock,
  extSuperblockOffset,
  extSuperblockSize,
  isExtSuperblock,
  parseExtSuperblock,
} from './superblock.js'
