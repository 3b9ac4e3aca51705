import {
  diffExt,
  type ExtChange,
  type ExtDifferences,
  type ExtFileSystem,
  openExt,
} from '../../filesystems/ext/index.js'
import { type ComparedRange, compareRanges } from '../../images/compare-ranges.js'
import { type HostPath, localHostFiles } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { checkedOptions, flag, hostPath, paths, type Rules } from '../../machine/option-rules.js'
import { type FileSystemOptions, fileSystemRules } from '../../overlays/open-file-system.js'
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
  const checked = checkedOptions(options, diffRules)
  const pair = await openPair(hostPath('path', path), checked)
  try {
    const [old, now] = [await filesIn(pair.old, checked), await filesIn(pair.now, checked)]
    const differences = await diffExt(old, now, pair.ranges(), { atime: checked.atime, signal: checked.signal })
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

async function filesIn(image: ImagePair['old'], { force, noReplay }: DiffOptions): Promise<ExtFileSystem> {
  return openExt(image, { replay: !noReplay, damage: force?.includes('damage') ? 'report' : 'refuse' })
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
