export { withBackingPath } from './edit-backing-path.js'
export {
  type CompressedPlace,
  compressedFlag,
  compressedPlace,
  copiedFlag,
  entryOffset,
  isBadL1Entry,
  isBadStandardEntry,
  setCompressedEntry,
  setEntry,
  zeroFlag,
} from './entries.js'
export { isQcow2, l2Coverage, parseQcow2Header, type Qcow2Header } from './header.js'
export type { Qcow2Compression } from './header-features.js'
export { limits as qcow2Limits } from './header-structs.js'
export { readRefcount, refcountsPerBlock, setRefcount16 } from './refcounts.js'
export { parseSnapshot, type Qcow2Snapshot, snapshotFixedSize, snapshotLength } from './snapshots.js'
export { type NewQcow2Header, serializeQcow2Header } from './write-header.js'
