import { UmlcowError } from '../errors.js'
import { type CowHeader, type CowLayout, computeLayout, maxHeaderSize, parseCowHeader } from '../formats/cow/index.js'
import { parseQcow2Header } from '../formats/qcow2/index.js'
import { formatOf, type ImageFormat } from '../images/image-formats.js'
import type { Finding } from '../machine/findings.js'
import { type FileFacts, type HostPath, isSameFile, localHostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation-options.js'
import { backingRules, checkedOptions, flag, hostPath, operationRules, type Rules } from '../machine/option-rules.js'
import type { FileUsers } from '../machine/processes/file-users.js'
import { type CompressedRaw, inspectCompressed } from '../overlays/compressed-raw.js'
import { countAllocated } from '../overlays/count-allocated.js'
import { type BackingInspection, type BackingOptions, inspectBacking } from '../overlays/inspect-backing.js'
import { layerOf, openProbed } from '../overlays/open.js'
import { withHeader } from '../overlays/open-overlay.js'
import { partition, splitPartitionPath } from '../overlays/partition-path.js'
import { findUnfinishedRewrite, type RewriteState } from '../overlays/rewrite-header.js'
import { findUnfinishedMerge, unfinishedFindings } from '../overlays/unfinished/unfinished-merge.js'
import { type ContentsInfo, infoOfContents } from './info-contents.js'
import { infoOfQcow2, type Qcow2Info } from './info-qcow2.js'

export interface InfoOptions extends OperationOptions, BackingOptions {
  /**
   * Read the header only: do not count allocated sectors, and do not look for processes that have the file open, or for
   * partitions and file systems.
   */
  readonly fast?: boolean | undefined
  /** Show this partition only, from 1; 0 for what fills the whole image. The path may also name it: `IMAGE@N`. */
  readonly partition?: number | undefined
  /** Do not look at the backing file. */
  readonly noBacking?: boolean | undefined
}

const infoRules: Rules = { ...operationRules, ...backingRules, fast: flag, noBacking: flag, partition }

/** What `info` also returns for an overlay. A field is null when `info` did not look for it. */
export interface OverlayInfo {
  readonly header: CowHeader
  readonly layout: CowLayout
  readonly allocatedSectors: number | null
  readonly backing: BackingInspection | null
  readonly users: FileUsers | null
  readonly rewrite: RewriteState
}

/** What `info` returns for one file. Sizes are bytes. */
export interface ImageInfo {
  readonly path: HostPath
  readonly format: ImageFormat
  readonly virtualSize: number
  /** Length of the file; null when the caller gave only its first bytes. */
  readonly fileSize: number | null
  /** Bytes that the host stores; null when the caller gave only the first bytes. */
  readonly allocatedSize: number | null
  /** The unfinished merge in place that has this file as its overlay or backing file; null when there is none. */
  readonly unfinished: Finding | null
  /** How a raw file is compressed; null when it is not. Verbs but `create` and `convert` then take its bytes as they are. */
  readonly compression: CompressedRaw | null
  /** Partitions and file systems that a guest sees; null when `info` did not look for them. */
  readonly contents: ContentsInfo | null
  /** Null unless the file is a COW file. */
  readonly overlay: OverlayInfo | null
  /** Null unless the file is a qcow2 image. */
  readonly qcow2: Qcow2Info | null
}

/**
 * Describe a file. For an overlay: the header, layout, backing file, users and allocated sectors.
 *
 * A file with neither the magic of a COW file nor of qcow2 is a raw image. It reads headers, the bitmap and the list of
 * snapshots. Of the data it reads partition tables, and where partitions have the signatures of file systems: for an
 * overlay from its backing file, too.
 *
 * @param path  of an image, or `IMAGE@N` for one of its partitions
 * @throws UmlcowError for a damaged header or a failed read; PARTITION_MISSING when there is no such partition
 */
export async function info(path: HostPath | URL, options: InfoOptions = {}): Promise<ImageInfo> {
  return (await inspectNamed(hostPath('path', path), checkedOptions(options, infoRules))).info
}

/**
 * Longest bitmap that `info` counts, bytes: that of a disk of 16 TiB. A header may claim a longer one in a file that is
 * all hole, and even holes take time to read.
 */
const longestCounted = 2 ** 32

interface Inspected {
  readonly info: ImageInfo
  readonly facts: FileFacts
}

/** Describe the file that a user named. */
async function inspectNamed(name: HostPath, options: InfoOptions): Promise<Inspected> {
  const { path, partition } = await splitPartitionPath(options.files ?? localHostFiles, name)
  return inspect(path, { ...options, partition: options.partition ?? partition ?? undefined })
}

async function inspect(path: HostPath, options: InfoOptions): Promise<Inspected> {
  const files = options.files ?? localHostFiles
  const file = await openProbed(files, path)
  try {
    const { facts, format, head } = file
    const [unfinished = null] = await unfinishedFindings(findUnfinishedMerge, files, path)
    const common = { path, fileSize: facts.size, allocatedSize: facts.allocatedSize, unfinished, compression: null }
    const layer = layerOf(file)
    if (layer.header === null) {
      const { qcow2, virtualSize } = layer
      const described = qcow2 === null ? null : await infoOfQcow2(files, file, { ...layer, qcow2 }, options)
      const compression = qcow2 === null ? await inspectCompressed(file) : null
      const contents =
        compression === null ? await infoOfContents(files, path, options, layer.below && described) : null
      return { facts, info: { ...common, format, virtualSize, compression, contents, overlay: null, qcow2: described } }
    }
    const overlay = withHeader(file, layer.header)
    const { header, layout } = overlay
    const count =
      options.fast || layout.bitmapLength > longestCounted ? null : await countAllocated(overlay, options.signal)
    const overlayInfo: OverlayInfo = {
      header,
      layout,
      allocatedSectors: count,
      backing: options.noBacking ? null : await inspectBacking(files, overlay, options),
      users: options.fast ? null : (await files.users([facts]))[0]!,
      rewrite: await findUnfinishedRewrite(files, path, head),
    }
    const contents = await infoOfContents(files, path, options, overlayInfo)
    const { virtualSize } = header
    return { facts, info: { ...common, format, virtualSize, contents, overlay: overlayInfo, qcow2: null } }
  } finally {
    await file.store.close()
  }
}

/**
 * Describe a file and all its backing files, top first.
 *
 * @throws UmlcowError CHAIN_TOO_LONG when the chain goes in a circle
 */
export async function infoChain(path: HostPath | URL, options: InfoOptions = {}): Promise<ImageInfo[]> {
  let rest = checkedOptions(options, infoRules)
  const chain: ImageInfo[] = []
  const seen: FileFacts[] = []
  for (let next: HostPath | undefined = hostPath('path', path); next !== undefined; ) {
    const { info: one, facts }: Inspected = await (chain.length === 0 ? inspectNamed : inspect)(next, rest)
    if (seen.some((above) => isSameFile(above, facts))) {
      throw new UmlcowError('CHAIN_TOO_LONG', 'the chain of backing files goes in a circle')
    }
    seen.push(facts)
    chain.push(one)
    next = (one.overlay ?? one.qcow2)?.backing?.located?.path
    // These options are about the top overlay only.
    rest = { ...rest, backing: undefined, partition: undefined }
  }
  return chain
}

/**
 * Describe an overlay or a qcow2 image from its first bytes, which may come from a pipe.
 *
 * @param bytes  the first `maxHeaderSize` bytes, or the whole file if it is shorter
 * @throws       UmlcowError for a damaged header; NOT_COW for any other file
 */
export function infoOfHeader(bytes: Uint8Array, name: string): ImageInfo {
  const common = {
    path: name,
    fileSize: null,
    allocatedSize: null,
    unfinished: null,
    compression: null,
    contents: null,
  }
  if (formatOf(bytes) === 'qcow2') {
    const header = parseQcow2Header(bytes, {
      name,
      fileSize: bytes.length < maxHeaderSize ? bytes.length : Number.MAX_SAFE_INTEGER,
    })
    const qcow2: Qcow2Info = { header, snapshots: [], backing: null, users: null }
    return { ...common, format: 'qcow2', virtualSize: header.virtualSize, overlay: null, qcow2 }
  }
  const header = parseCowHeader(bytes, { name })
  const overlay: OverlayInfo = {
    header,
    layout: computeLayout(header),
    allocatedSectors: null,
    backing: null,
    users: null,
    rewrite: 'none',
  }
  return { ...common, format: 'cow', virtualSize: header.virtualSize, overlay, qcow2: null }
}
