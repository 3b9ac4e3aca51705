import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Extent } from '../../bytes/extents.js'
import { joinExtents } from '../../bytes/extents.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import { type Finding, refuseUnlessForced } from '../../machine/findings.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { checkedOptions, flag, forceOf, hostPath, type Rules, whole } from '../../machine/option-rules.js'
import { inspectBacking } from '../../overlays/inspect-backing.js'
import { closeOnFailure } from '../../overlays/open.js'
import {
  type FileImage,
  type OpenImageOptions,
  openBackingOf,
  openBackingOfQcow2,
  openImageRules,
  openLayers,
} from '../../overlays/open-image.js'
import type { Overlay, Qcow2Overlay } from '../../overlays/open-overlay.js'
import { partition, splitPartitionPath } from '../../overlays/partition-path.js'
import { splitHoles } from './split-holes.js'
import { type MapExtent, ownersIn, splitOwners } from './split-owners.js'
import { splitZeroes } from './split-zeroes.js'

export interface MapOptions extends OperationOptions, OpenImageOptions {
  /** First guest byte, default 0. */
  readonly startOffset?: number | undefined
  /** Map at most this many guest bytes; default all. */
  readonly maxLength?: number | undefined
  /** Report the holes of raw files, where the host can list them. */
  readonly holes?: boolean | undefined
  /** Read all data and report which of it is zeros. */
  readonly detectZeroes?: boolean | undefined
  /** Do not look for the backing file: report all that the overlay does not supply as data one layer down. */
  readonly noBacking?: boolean | undefined
  /** Say what the bytes are for, as the ext2, ext3 or ext4 file system in the image has it. Reads its metadata. */
  readonly owners?: boolean | undefined
  /** With `owners`: see `FileSystemOptions`. */
  readonly partition?: number | undefined
  readonly noReplay?: boolean | undefined
}

const mapRules: Rules = {
  ...openImageRules,
  startOffset: whole(0),
  maxLength: whole(0),
  holes: flag,
  detectZeroes: flag,
  noBacking: flag,
  owners: flag,
  partition,
  noReplay: flag,
  force: forceOf('mtime', 'size', 'damage'),
}

/** The extents of an image. Close it when done. */
export interface ImageMap {
  readonly virtualSize: number
  /** Bytes that the extents cover. */
  readonly mappedLength: number
  /** The file of each depth. */
  readonly layers: readonly HostPath[]
  /** Extents that tile the mapped bytes exactly. Iterate them once only. */
  readonly extents: AsyncIterable<MapExtent>
  /** With `owners`: what a report should say about the file system. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

/**
 * Map the bytes of an image to the files that supply them, in the shape of `qemu-img map`.
 *
 * It stats the backing file. It reads data only with `detectZeroes`, metadata of a file system only with `owners`, and
 * looks for holes only with `holes`.
 *
 * @param path  of an image; with `owners` also `IMAGE@N`: the file system in a partition. The map is of the whole image
 * @throws      UmlcowError for a damaged header, a backing file that is missing or does not fit, OUT_OF_RANGE; with
 *              `owners` also FS_UNKNOWN, FS_UNSUPPORTED, FS_DAMAGED, PARTITION_MISSING
 */
export async function map(path: HostPath | URL, options: MapOptions = {}): Promise<ImageMap> {
  return mapFile(hostPath('path', path), checkedOptions(options, mapRules))
}

async function mapFile(path: HostPath, options: MapOptions): Promise<ImageMap> {
  const files = options.files ?? localHostFiles
  // Only a file system has a place for `@N`: a name that ends so may be that of any image.
  const { path: place, partition: named } = options.owners
    ? await splitPartitionPath(files, path)
    : { path, partition: null }
  const opened = await openMapped(files, place, options)
  return closeOnFailure(opened.image, () =>
    mapImage(files, opened, { ...options, partition: options.partition ?? named ?? undefined }),
  )
}

async function mapImage(
  files: HostFiles,
  { image, layers }: { readonly image: FileImage; readonly layers: readonly HostPath[] },
  options: MapOptions,
): Promise<ImageMap> {
  const { virtualSize } = image
  const start = options.startOffset ?? 0
  if (start > virtualSize)
    throw new UmlcowError('OUT_OF_RANGE', `no offset ${start} in an image of ${virtualSize} bytes`)
  const mappedLength = Math.min(options.maxLength ?? Number.POSITIVE_INFINITY, virtualSize - start)
  const owners = options.owners ? await ownersIn(image, options) : null
  const supplied = await extentsOf(files, image, start, mappedLength, options)
  const split = owners === null ? supplied : splitOwners(supplied, owners.ranges)
  const extents = interruptible(split, options.signal)
  return { virtualSize, mappedLength, layers, extents, notes: owners?.notes ?? [], close: () => image.close() }
}

/** List the extents of an image, with as much about its zeros as the options ask for. */
export async function extentsOf(
  files: HostFiles,
  image: FileImage,
  start: number,
  length: number,
  { holes, detectZeroes, signal }: Pick<MapOptions, 'holes' | 'detectZeroes' | 'signal'>,
): Promise<AsyncIterable<Extent>> {
  const known = image.extents(start, length)
  if (!holes && !detectZeroes) return known
  const stored = holes ? await splitHoles(files, image.files, known, signal) : known
  return joinExtents(detectZeroes ? splitZeroes(image, stored, signal) : stored)
}

/** Open the image. Open the files below an overlay only when the caller asks for their data or their own layers. */
async function openMapped(
  files: HostFiles,
  path: HostPath,
  options: MapOptions,
): Promise<{ image: FileImage; layers: HostPath[] }> {
  const layers = [path]
  const openBelow = async (overlay: Overlay) => {
    const isRead = options.chain || options.holes || options.detectZeroes || options.owners
    if (!isRead) return unreadBacking(files, overlay, options, layers)
    const below = await openBackingOf(files, overlay, options)
    layers.push(...below.files.map((file) => file.path))
    return below
  }
  // The backing file of a qcow2 image has a recorded format, and a part of it may be zeros that only its tables show.
  const openBelowQcow2 = async (overlay: Qcow2Overlay) => {
    if (options.noBacking) return unreadImage(Number.MAX_SAFE_INTEGER, Buffer.from(overlay.below.path), layers)
    const below = await openBackingOfQcow2(files, overlay, options)
    layers.push(...below.files.map((file) => file.path))
    return below
  }
  return { image: await openLayers(files, path, { openBelow, openBelowQcow2, signal: options.signal }), layers }
}

/** Make an image that stands for a backing file that `map` does not read. @param layers  receives its path */
async function unreadBacking(
  files: HostFiles,
  overlay: Overlay,
  options: MapOptions,
  layers: HostPath[],
): Promise<FileImage> {
  const { header } = overlay
  const inspection = options.noBacking ? null : await inspectBacking(files, overlay, options)
  if (inspection !== null) refuseUnlessForced(inspection.findings.map(withNoBackingHint), options.force)
  const located = inspection?.located ?? null
  return unreadImage(
    located?.facts.size ?? header.virtualSize,
    located?.path ?? Buffer.from(header.backingPath),
    layers,
  )
}

function unreadImage(virtualSize: number, path: HostPath, layers: HostPath[]): FileImage {
  layers.push(path)
  return {
    virtualSize,
    read: async () => {
      throw new Error('unreachable: the backing file is not open')
    },
    async *extents(start, length) {
      yield { start, length, depth: 0, data: true, zero: false, offset: start }
    },
    close: async () => {},
    files: [],
    plain: null,
  }
}

function withNoBackingHint(finding: Finding): Finding {
  if (finding.code !== 'BACKING_MISSING') return finding
  return { ...finding, hint: '-b FILE says where it is now; --no-backing goes on without it' }
}

/** Extents between two turns of the event loop: without a turn, extents from memory would block every signal. */
const extentsPerTurn = 4096

async function* interruptible(extents: AsyncIterable<MapExtent>, signal?: AbortSignal): AsyncGenerator<MapExtent> {
  let count = 0
  for await (const extent of extents) {
    if (++count % extentsPerTurn === 0) {
      await nextTurn()
      throwIfAborted(signal)
    }
    yield extent
  }
}
