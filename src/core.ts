/// <reference lib="esnext.disposable" preserve="true" />

// The entry "umlcow/core": the part that does not need Node, so it also runs in a browser. It reads and writes stores.
// The verbs take paths and are in "umlcow".

// Headers

export {
  type ByteOrder,
  type CowHeader,
  type CowLayout,
  computeLayout,
  editHeader,
  maxHeaderSize,
  type NewCowHeader,
  parseCowHeader,
  serializeNewHeader,
} from './formats/cow/index.js'

// qcow2

export { parseQcow2Header, type Qcow2Header, type Qcow2Snapshot } from './formats/qcow2/index.js'
export { checkQcow2 } from './images/qcow2/check/check-qcow2.js'
export type { Qcow2Finding, Qcow2Report } from './images/qcow2/check/report.js'
export type { PackCluster } from './images/qcow2/packed-sink.js'
export { openQcow2Image, type Qcow2ImageOptions } from './images/qcow2/qcow2-image.js'
export { createQcow2Sink, type Qcow2SinkOptions } from './images/qcow2/qcow2-sink.js'
export type { Unpack, Unpackers } from './images/qcow2/unpackers.js'

// Stores

export { openBlobStore } from './stores/blob-store.js'
export { type BlockStore, readExact, readPadded, writeExact } from './stores/block-store.js'
export { openMemoryStore } from './stores/memory-store.js'

// Images

export type { Extent } from './bytes/extents.js'
export type { ByteRange, ComparedRange } from './images/compare-ranges.js'
export { findTruncation, openCowImage, type Truncation } from './images/cow-image.js'
export type { Image } from './images/image.js'
export { type ImageFormat, type Layer, parseLayer } from './images/image-formats.js'
export { type GuestRange, imagePieces } from './images/image-pieces.js'
export { type Probe, probe } from './images/probe.js'
export { openRawImage } from './images/raw-image.js'

// File systems

export { type ImageContents, readContents, readPartition } from './filesystems/contents.js'
export {
  diffExt,
  type ExtBlockClass,
  type ExtChange,
  type ExtChangeStatus,
  type ExtDifferences,
  type ExtDiffOptions,
  type ExtDirectory,
  type ExtEntry,
  type ExtExtent,
  type ExtentOptions,
  type ExtField,
  type ExtFileChange,
  type ExtFileSystem,
  type ExtFinding,
  type ExtJournal,
  type ExtName,
  type ExtOptions,
  type ExtOwner,
  type ExtOwnersOptions,
  type ExtUsage,
  type ExtWalkOptions,
  extOwners,
  extUsage,
  type OwnedRange,
  openExt,
  walkExtDirectories,
} from './filesystems/ext/index.js'
export {
  type ExtFile,
  type ExtItem,
  type ExtItemsOptions,
  type ExtOmission,
  type ExtReading,
  extItems,
  findExtFiles,
} from './filesystems/ext/items/index.js'
export { type FoundFileSystem, findFileSystem } from './filesystems/find-file-system.js'
export {
  type ExtGroup,
  type ExtInode,
  type ExtSuperblock,
  type ExtTime,
  extFeatureNames,
  extFlagNames,
  extInodeFlags,
  type FileSystemState,
} from './formats/ext/index.js'
export type { FileSystemFacts, FileSystemType } from './formats/recognise/file-systems/index.js'
export { type Partition, type PartitionTable, partitionImage } from './images/partitions/index.js'

// Make images

export { createCowSink } from './images/cow-sink.js'
export type { ImageSink } from './images/new-image.js'
export { createRawSink, createRawStreamSink } from './images/raw-sink.js'

// Merge

export { type ExecuteOptions, executeSteps } from './engine/execute.js'
export type { Layers, StoredOverlay } from './engine/merge-layers.js'
export { type MergeTarget, planMerge } from './engine/plan-merge.js'

// Archives

export { readCpio, writeCpio } from './formats/cpio/index.js'
export type {
  DeviceNumber,
  EntryType,
  ExtendedAttribute,
  ManifestEntry,
  ManifestItem,
  ReadOptions,
  WriteOptions,
} from './formats/manifest/index.js'
export { readTar, writeTar } from './formats/tar/index.js'

// LZ4

export {
  blockSizes,
  type CompressBlock,
  type DecodeLz4Options,
  decodeLz4,
  type EncodeLz4Options,
  encodeLz4,
  type Lz4BlockSize,
} from './formats/lz4/index.js'

// Errors

export { type ErrorCode, type ErrorDetails, errorCodes, UmlcowError } from './errors.js'
