/// <reference types="node" preserve="true" />

// Merge

export { type MergeOptions, type MergeResult, merge } from './verbs/merge/index.js'
export type { NewImageResult } from './verbs/merge/new-image/merge-new.js'
export type { NewImageOptions } from './verbs/merge/options.js'

// Merge in place

export { mergeInPlace } from './verbs/merge/in-place/merge-in-place.js'
export type { InPlaceOptions, InPlaceResult, KeptSibling } from './verbs/merge/in-place/options.js'
export {
  type AbandonResult,
  abandonMerge,
  type MergeStatus,
  mergeStatus,
} from './verbs/merge/in-place/unfinished/abandon.js'
export { resumeMerge } from './verbs/merge/in-place/unfinished/resume.js'
export type { ResumeOptions } from './verbs/merge/in-place/unfinished/take-up.js'

// Look at images

export { imageStream } from './machine/streams/image-stream.js'
export type { CompressedRaw } from './overlays/compressed-raw.js'
export { type OpenImageOptions, openCow, openImage } from './overlays/open-image.js'
export type { RawInput } from './overlays/raw-source.js'
export { type CheckFinding, type CheckResult, check } from './verbs/check/index.js'
export type { CheckOptions } from './verbs/check/options.js'
export { type DiffOptions, diffFiles, diffRanges, type FileDiff, type RangeDiff } from './verbs/diff/index.js'
export type { FilePatch } from './verbs/diff/patch.js'
export { type ImageInfo, type InfoOptions, info, infoChain, infoOfHeader, type OverlayInfo } from './verbs/info.js'
export type { ContentsInfo, PartitionInfo } from './verbs/info-contents.js'
export type { Qcow2Info } from './verbs/info-qcow2.js'
export { type ImageMap, type MapOptions, map } from './verbs/map/index.js'
export type { MapExtent } from './verbs/map/split-owners.js'
export { type WriteBmapOptions, type WrittenBmap, writeBmap } from './verbs/map/write-bmap.js'

// Look into file systems

export { type FileSystemOptions, type OpenedFileSystem, openFileSystem } from './overlays/open-file-system.js'
export type { Arrangement } from './verbs/files/arrange.js'
export type { FileConditions } from './verbs/files/file-filter.js'
export { type FileSystemUsage, fileSystemUsage } from './verbs/files/file-system-usage.js'
export type { ListedDirectory, ListedFile } from './verbs/files/list-directories.js'
export { type FileListing, type ListFilesOptions, listFiles } from './verbs/files/list-files.js'
export type { OwnerNames } from './verbs/files/owner-names.js'
export { type ReadFilesOptions, readFiles } from './verbs/files/read-files.js'
export { type FileStatus, type StatFilesOptions, statFiles } from './verbs/files/stat-files.js'

// Make and change overlays

export type { PathStyle } from './overlays/stored-path.js'
export { compact } from './verbs/compact/index.js'
export type { CompactOptions, CompactResult } from './verbs/compact/options.js'
export { convert } from './verbs/convert/index.js'
export type { ConvertOptions, ConvertResult } from './verbs/convert/options.js'
export { type CreateOverlayOptions, type CreateResult, createOverlay } from './verbs/create.js'
export { type CreateFromOptions, createFrom } from './verbs/create-from.js'
export { type CreateQcow2Options, createQcow2 } from './verbs/create-qcow2.js'
export { type CreateRawOptions, createRaw } from './verbs/create-raw.js'
export { type RebaseOptions, type RebaseResult, rebaseUnsafe } from './verbs/rebase.js'
export { type ResetOptions, type ResetResult, resetOverlay } from './verbs/reset.js'

// Copy files

export { type CopyRunResult, copyFiles, copySparse } from './verbs/copy/index.js'
export type { CopyOptions, CopyResult } from './verbs/copy/options.js'

// Packs

export type { PackedBacking, PackedHeader, PackMember } from './formats/pack/manifest.js'
export { pack } from './verbs/pack/index.js'
export type { PackCompression, PackOptions, PackResult } from './verbs/pack/options.js'
export { listPack, unpack, verifyPack } from './verbs/unpack/index.js'
export type {
  PackContents,
  PackSource,
  ReadPackOptions,
  UnpackedFile,
  UnpackOptions,
  UnpackResult,
} from './verbs/unpack/options.js'

// humfs trees

export { type CheckHumfsOptions, type CheckHumfsResult, checkHumfs } from './humfs/check/index.js'
export type { HumfsFinding } from './humfs/check/tree-findings.js'
export { type HumfsifyOptions, type HumfsifyResult, humfsify } from './humfs/humfsify/index.js'
export { type HumfsInfo, humfsInfo } from './humfs/info.js'
export { type RestoreHumfsOptions, type RestoreHumfsResult, restoreHumfs } from './humfs/restore/index.js'
export type { HumfsForceWord } from './trees/kinds/humfs/workspace.js'
export { importHumfs } from './trees/transfer/import-humfs.js'
export type {
  ImportFormat,
  ImportHumfsOptions,
  ImportHumfsResult,
  ImportInput,
} from './trees/transfer/import-options.js'

// Take files out of images

export {
  type ArchiveFilesOptions,
  archiveFiles,
  type ImageArchive,
} from './verbs/extract/archive-files.js'
export { type ExtractFilesOptions, type ExtractResult, extractFiles } from './verbs/extract/extract-files.js'
export type { Loss, LossKind } from './verbs/extract/losses.js'

// Read and write trees

export { type VirtfsTreeResult, writeVirtfsTree } from './trees/kinds/9p/sink.js'
export { openVirtfsSource, readVirtfsTree } from './trees/kinds/9p/source.js'
export { type DirectoryTreeResult, type WriteDirectoryOptions, writeDirectory } from './trees/kinds/directory/sink.js'
export { openDirectorySource, readDirectory } from './trees/kinds/directory/source.js'
export { type HumfsTreeResult, type WriteHumfsOptions, writeHumfsTree } from './trees/kinds/humfs/sink.js'
export { openHumfsSource, readHumfsTree } from './trees/kinds/humfs/source.js'
export { type ImageSource, type ImageSourceOptions, openImageSource } from './trees/kinds/image/source.js'
export type { NewTreeOptions } from './trees/new-tree/new-tree.js'
export type { SourceItem, TreeSource } from './trees/source/tree-source.js'
export type { ExportOptions, ExportResult, ExportTreeOptions } from './trees/transfer/export-options.js'
export { exportToTree } from './trees/transfer/export-to-tree.js'
export { exportTree } from './trees/transfer/export-tree.js'
export type { SourceOptions, TreeOptions } from './trees/tree-options.js'

// Compressed streams

export { type CompressOptions, compressStream } from './machine/streams/compression/compress-stream.js'
export { type DecompressOptions, decompressStream } from './machine/streams/compression/decompress-stream.js'
export type { CompressionKind } from './machine/streams/compression/kind.js'

// Findings: reasons to refuse

export type { Finding, ForceWord } from './machine/findings.js'

// The core: headers, stores, images, plans, errors

export * from './core.js'

// The host and progress

export { type FileFacts, type HostFiles, type HostPath, localHostFiles } from './machine/host-files.js'
export type { OperationOptions, Progress } from './machine/operation-options.js'
export type { OutputTarget } from './machine/output-target.js'
export type { OutputStream } from './machine/streams/output-stream.js'
