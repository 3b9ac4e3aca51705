export type { Extent } from './bytes/extents.js'
export { type ErrorCode, type ErrorDetails, errorCodes, UmlcowError } from './errors.js'
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
export type {
  DeviceNumber,
  EntryType,
  ExtendedAttribute,
  ManifestEntry,
  ManifestItem,
} from './formats/manifest/index.js'
export type { BackingInspection, BackingOptions, Finding } from './host/backing.js'
export type { ForceWord } from './host/guard.js'
export type { FileFacts, HostFiles, HostPath } from './host/host-files.js'
export { type OpenImageOptions, openCow, openImage } from './host/open-image.js'
export type { PathStyle } from './host/stored-path.js'
export { type CheckHumfsOptions, type CheckHumfsResult, checkHumfs } from './humfs/check.js'
export { type HumfsifyOptions, type HumfsifyResult, humfsify } from './humfs/humfsify.js'
export { type HumfsInfo, humfsInfo } from './humfs/info.js'
export { type RestoreHumfsOptions, type RestoreHumfsResult, restoreHumfs } from './humfs/restore.js'
export type { HumfsFinding, HumfsFindingCode, HumfsSeverity } from './humfs/tree-findings.js'
export type { HumfsForceWord, HumfsOptions } from './humfs/workspace.js'
export type { Image } from './images/image.js'
export type { BlockStore } from './stores/block-store.js'
export { openMemoryStore } from './stores/memory-store.js'
export { type DirectoryTreeResult, type WriteDirectoryOptions, writeDirectory } from './trees/directory-sink.js'
export { openDirectorySource, readDirectory } from './trees/directory-source.js'
export type {
  ExportOptions,
  ExportResult,
  ExportTarget,
  ExportTreeOptions,
  WrittenTree,
} from './trees/export-options.js'
export { exportToTree } from './trees/export-to-tree.js'
export { exportTree } from './trees/export-tree.js'
export { type HumfsTreeResult, type WriteHumfsOptions, writeHumfsTree } from './trees/humfs-sink.js'
export { type HumfsSourceOptions, openHumfsSource, readHumfsTree } from './trees/humfs-source.js'
export { type ImportHumfsOptions, type ImportHumfsResult, type ImportInput, importHumfs } from './trees/import-humfs.js'
export type { StreamFormat } from './trees/stream-formats.js'
export type { TreeFormat } from './trees/tree-formats.js'
export type { SourceItem, SourceOptions, SurveyOptions, TreeSource, TreeSurvey } from './trees/tree-source.js'
export { type WriteVirtfsOptions, writeVirtfsTree } from './trees/virtfs-sink.js'
export { openVirtfsSource, readVirtfsTree } from './trees/virtfs-source.js'
export { type CheckFinding, type CheckResult, check } from './verbs/check.js'
export type { CheckOptions, Severity } from './verbs/check-options.js'
export {
  type CreateOverlayOptions,
  type CreateRawOptions,
  type CreateResult,
  createOverlay,
  createRaw,
} from './verbs/create.js'
export { type AbandonResult, abandonMerge, type MergeStatus, mergeStatus } from './verbs/in-place/abandon.js'
export { mergeInPlace } from './verbs/in-place/merge-in-place.js'
export type { InPlaceOptions, InPlaceResult, KeptSibling } from './verbs/in-place/options.js'
export { resumeMerge } from './verbs/in-place/resume.js'
export type { ResumeOptions } from './verbs/in-place/take-up.js'
export { type ImageInfo, type InfoOptions, info, infoChain, infoOfHeader, type OverlayInfo } from './verbs/info.js'
export { type ImageMap, type MapOptions, map } from './verbs/map.js'
export { type MergeResult, merge } from './verbs/merge.js'
export type { MergeOptions, MergeTargetSpec } from './verbs/merge-options.js'
export type { OperationOptions, Progress } from './verbs/operation.js'
export { type RebaseOptions, type RebaseResult, rebaseUnsafe } from './verbs/rebase.js'
export { type ResetOptions, type ResetResult, resetOverlay } from './verbs/reset.js'
