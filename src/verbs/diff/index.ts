import {
  diffExt,
  type ExtChange,
  type ExtDifferences,
  type ExtFileSystem,
  openExt,
} from '../../filesystems/ext/index.js'
import { findFileSystem } from '../../filesystems/find-file-system.js'
import { type ByteRange, type ComparedRange, compareRanges } from '../../images/compare-ranges.js'
import { type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { checkedOptions, flag, hostPath, paths, type Rules } from '../../machine/option-rules.js'
import { type FileSystemOptions, fileSystemRules, namingImage } from '../../overlays/open-file-system.js'
import type { FileImage } from '../../overlays/open-image.js'
import { splitPartitionPath } from '../../overlays/partition-path.js'
import { type ImagePair, openTwoImages, openWithBacking } from './open-images.js'
import { type FilePatch, patchOf } from './patch.js'

export interface DiffOptions extends OperationOptions, FileSystemOptions {
  /** The old image. Default: the backing image of the new one, which must be an overlay or a qcow2 image with one. */
  readonly old?: HostPath | URL | undefined
  /** A change of the atime or the ctime alone is a change. */
  readonly atime?: boolean | undefined
}

const diffRules: Rules = { ...fileSystemRules, old: paths.any, atime: flag }

/** The bytes of two images that were compared. Close it when done. */
export interface RangeDiff {
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
 * Compare an image with its backing image, or with another image, byte by byte.
 *
 * @throws UmlcowError NOT_COW for an image without a backing file and without `old`, and what opening throws
 */
export async function diffRanges(path: HostPath | URL, options: DiffOptions = {}): Promise<RangeDiff> {
  const checked = checkedOptions(options, diffRules)
  const pair = await openPair(hostPath('path', path), checked)
  const how = { unit: rangeUnit, signal: checked.signal }
  return {
    virtualSize: pair.now.virtualSize,
    ranges: compareRanges(pair.old, pair.now, pair.ranges(), how),
    close: pair.close,
  }
}

/**
 * Find the files that differ between an image and its backing image, or another image of the same file system.
 *
 * @throws UmlcowError NOT_COW for an image without a backing file and without `old`; FS_UNKNOWN, FS_UNSUPPORTED,
 *         FS_DAMAGED, and what opening throws
 */
export async function diffFiles(path: HostPath | URL, options: DiffOptions = {}): Promise<FileDiff> {
  const given = checkedOptions(options, diffRules)
  const { path: place, partition } = await splitPartitionPath(given.files ?? localHostFiles, hostPath('path', path))
  const checked = { ...given, partition: given.partition ?? partition ?? undefined }
  const pair = await openPair(place, checked)
  try {
    const [{ files: old, start }, found] = [await filesIn(pair.old, checked), await filesIn(pair.now, checked)]
    const { files: now } = found
    const isInPlace = start === found.start
    const ranges = isInPlace ? rangesFrom(pair.ranges(), start, now) : [{ start: 0, end: now.image.virtualSize }]
    const differences = await diffExt(old, now, ranges, { atime: checked.atime, signal: checked.signal })
    return {
      ...differences,
      notes: notesOf(old, now, differences),
      patch: (change) => patchOf(old, now, change),
      close: pair.close,
    }
  } catch (error) {
    await pair.close()
    throw error
  }
}

async function openPair(path: HostPath, options: DiffOptions): Promise<ImagePair> {
  const files = options.files ?? localHostFiles
  return options.old === undefined
    ? openWithBacking(files, path, options)
    : openTwoImages(files, [hostPath('old', options.old), path], options)
}

/** A file system, and where it starts in the image: bytes. */
interface PlacedFiles {
  readonly files: ExtFileSystem
  readonly start: number
}

async function filesIn(image: FileImage, options: DiffOptions): Promise<PlacedFiles> {
  const { force, noReplay, partition } = options
  return namingImage(image.files[0]!.path, async () => {
    const found = await findFileSystem(image, partition)
    const damage = force?.includes('damage') ? 'report' : 'refuse'
    const files = await openExt(found.image, { replay: !noReplay, damage })
    return { files, start: found.partition?.start ?? 0 }
  })
}

/** Cut ranges of the image to those of a file system that starts inside it. */
async function* rangesFrom(
  ranges: AsyncIterable<ByteRange>,
  offset: number,
  { image }: ExtFileSystem,
): AsyncGenerator<ByteRange> {
  for await (const range of ranges) {
    const start = Math.max(0, range.start - offset)
    const end = Math.min(image.virtualSize, range.end - offset)
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
