import { readContents } from '../../filesystems/contents.js'
import { diffExt, type ExtChange, type ExtDifferences, type ExtFileSystem } from '../../filesystems/ext/index.js'
import { pickPartition } from '../../filesystems/find-file-system.js'
import { type ByteRange, type ComparedRange, compareRanges } from '../../images/compare-ranges.js'
import type { Image } from '../../images/image.js'
import { partitionImage } from '../../images/partitions/index.js'
import { type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { checkedOptions, flag, hostPath, paths, type Rules } from '../../machine/option-rules.js'
import { closeOnFailure } from '../../overlays/open.js'
import {
  type FileSystemOptions,
  fileSystemIn,
  fileSystemRules,
  namingImage,
  type OpenedFileSystem,
} from '../../overlays/open-file-system.js'
import type { FileImage } from '../../overlays/open-image.js'
import { splitPartitionPath } from '../../overlays/partition-path.js'
import { type ImagePair, openTwoImages, openWithBacking } from './open-images.js'
import { type FilePatch, patchOf } from './patch.js'

export interface DiffOptions extends OperationOptions, FileSystemOptions {
  /** The old image. Default: the backing image of the new one, which must be an overlay or a qcow2 image with one. */
  readonly old?: HostPath | URL | undefined
  /**
   * The number of a partition of both images. The paths may also name it, both or one of them: `IMAGE@N`. Without it,
   * `diffRanges` compares whole images.
   */
  readonly partition?: number | undefined
  /** A change of the atime or the ctime alone is a change. */
  readonly atime?: boolean | undefined
}

const diffRules: Rules = { ...fileSystemRules, old: paths.any, atime: flag }

/** The bytes of two images that were compared. Close it when done. */
export interface RangeDiff {
  /** Of the new image, or of its partition. */
  readonly virtualSize: number
  /** Bytes that an overlay supplies and the old image has, too, are ranges that are the same. Iterate once only. */
  readonly ranges: AsyncIterable<ComparedRange>
  close(): Promise<void>
}

/** The files that differ between two images. Close it when done. */
export interface FileDiff extends ExtDifferences {
  /** What a report should say about the two file systems. */
  readonly notes: readonly string[]
  /** Compare the lines of a file that changed. Null for what has no content, or did not change. */
  patch(change: ExtChange): Promise<FilePatch | null>
  close(): Promise<void>
}

/** The host's unit of input and output, and the sectors of most overlays: bytes. */
const rangeUnit = 512

/**
 * Compare an image with its backing image, or with another image, byte by byte. Where the caller names a partition, only
 * the bytes of the partition are compared, and they count from its start. No journal is replayed: `noReplay` does nothing.
 *
 * @throws UmlcowError PARTITION_MISSING; NOT_COW for an image without a backing file and without `old`, and what opening throws
 */
export async function diffRanges(path: HostPath | URL, options: DiffOptions = {}): Promise<RangeDiff> {
  const checked = checkedOptions(options, diffRules)
  const { signal } = checked
  const pair = await openPair(hostPath('path', path), checked)
  return closeOnFailure(pair, async () => {
    const [old, now] = [await placeIn(pair.old, pair.oldNumber), await placeIn(pair.now, pair.newNumber)]
    return {
      virtualSize: now.image.virtualSize,
      ranges: compareRanges(old.image, now.image, rangesBetween(pair, old, now), { unit: rangeUnit, signal }),
      close: pair.close,
    }
  })
}

/**
 * Find the files that differ between an image and its backing image, or another image of the same file system.
 *
 * @throws UmlcowError NOT_COW for an image without a backing file and without `old`; FS_UNKNOWN, FS_UNSUPPORTED,
 *         FS_DAMAGED, and what opening throws
 */
export async function diffFiles(path: HostPath | URL, options: DiffOptions = {}): Promise<FileDiff> {
  const checked = checkedOptions(options, diffRules)
  const pair = await openPair(hostPath('path', path), checked)
  return closeOnFailure(pair, async () => {
    const before = await fileSystemIn(pair.old, pair.oldNumber, checked)
    const after = await fileSystemIn(pair.now, pair.newNumber, checked)
    const [old, now] = [before.files, after.files]
    const ranges = rangesBetween(pair, placeOf(before), placeOf(after))
    const differences = await diffExt(old, now, ranges, { atime: checked.atime, signal: checked.signal })
    return {
      ...differences,
      notes: notesOf(old, now, differences),
      patch: (change) => patchOf(old, now, change),
      close: pair.close,
    }
  })
}

/** Two images, and the partition to compare of each: null for none that the caller named. */
interface PartitionPair extends ImagePair {
  readonly oldNumber: number | null
  readonly newNumber: number | null
}

/** Open the images. A partition that the caller names for one of them is that of the other, too. */
async function openPair(path: HostPath, options: DiffOptions): Promise<PartitionPair> {
  const files = options.files ?? localHostFiles
  const now = await splitPartitionPath(files, path)
  const old = options.old === undefined ? null : await splitPartitionPath(files, hostPath('old', options.old))
  const pair = await (old === null
    ? openWithBacking(files, now.path, options)
    : openTwoImages(files, [old.path, now.path], options))
  const [ofOld, ofNew] = [old?.partition ?? null, now.partition]
  const { partition = null } = options
  return { ...pair, oldNumber: partition ?? ofOld ?? ofNew, newNumber: partition ?? ofNew ?? ofOld }
}

/** The bytes that are compared, and where they start in the image. */
interface Place {
  readonly image: Image
  readonly start: number
}

function placeOf({ files, partition }: Pick<OpenedFileSystem, 'files' | 'partition'>): Place {
  return { image: files.image, start: partition?.start ?? 0 }
}

async function placeIn(image: FileImage, number: number | null): Promise<Place> {
  if (number === null || number === 0) return { image, start: 0 }
  return namingImage(image.files[0]!.path, async () => {
    const partition = pickPartition((await readContents(image)).table, number)
    return { image: partitionImage(image, partition), start: partition.start }
  })
}

/** List the bytes of two places that may differ. Those that start elsewhere in their images are compared as a whole. */
function rangesBetween(pair: ImagePair, old: Place, now: Place): AsyncIterable<ByteRange> | readonly ByteRange[] {
  const end = Math.max(old.image.virtualSize, now.image.virtualSize)
  return old.start === now.start ? rangesFrom(pair.ranges(), now.start, end) : [{ start: 0, end }]
}

/** Cut ranges of the image to those of a place in it. */
async function* rangesFrom(
  ranges: AsyncIterable<ByteRange>,
  offset: number,
  length: number,
): AsyncGenerator<ByteRange> {
  for await (const range of ranges) {
    const start = Math.max(0, range.start - offset)
    const end = Math.min(length, range.end - offset)
    if (start < end) yield { start, end }
  }
}

function notesOf(old: ExtFileSystem, now: ExtFileSystem, { kind }: ExtDifferences): string[] {
  const said = (which: string, { findings }: ExtFileSystem) =>
    findings.map(({ message }) => `${which} image: ${message}`)
  const notes = [...said('old', old), ...said('new', now)]
  const [before, after] = [old, now].map(({ superblock }) => superblock.blockCount * superblock.blockSize)
  if (kind === 'new') notes.push('the file systems have different UUIDs or layouts: one was made anew')
  if (kind === 'grown' || kind === 'shrunk') notes.push(`the file system has ${kind}: from ${before} to ${after} bytes`)
  return notes
}
