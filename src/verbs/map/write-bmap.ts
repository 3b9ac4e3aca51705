import { ceilDivide, ceilTo, floorTo } from '../../bytes/align.js'
import { printablePath } from '../../bytes/escape.js'
import { allocateUnsafe, latin1Bytes } from '../../bytes/fast.js'
import { type Stretches, StretchList } from '../../bytes/stretch-list.js'
import { throwIfAborted } from '../../errors.js'
import {
  bmapTail,
  mostRanges,
  serializeBmapHead,
  serializeBmapRange,
  writtenBlockSize,
} from '../../formats/bmap/index.js'
import { Sha256 } from '../../machine/digests/sha256.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import {
  backingRules,
  checkedOptions,
  flag,
  forceOf,
  hostPath,
  operationRules,
  textPath,
} from '../../machine/option-rules.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { checkQcow2Layers } from '../../overlays/check-qcow2-layers.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import type { FileImage, OpenImageOptions } from '../../overlays/open-image.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import { type BlockStore, writeExact } from '../../stores/block-store.js'
import { openInputImage } from '../convert/open-input.js'
import { extentsOf, type MapOptions } from './index.js'

export interface WriteBmapOptions extends OpenImageOptions, Pick<MapOptions, 'detectZeroes' | 'onProgress'> {
  /** Replace the bmap file when it exists. */
  readonly overwrite?: boolean | undefined
}

/** What a bmap file says. */
export interface WrittenBmap {
  readonly virtualSize: number
  /** Bytes in all ranges together. */
  readonly mappedLength: number
  readonly ranges: number
  readonly warnings: readonly string[]
}

const bmapRules = {
  ...operationRules,
  ...backingRules,
  force: forceOf('in-use', 'mtime', 'size', 'leaks'),
  overwrite: flag,
  detectZeroes: flag,
}

/**
 * Write a bmap file of bmaptool, version 2.0, about what a guest sees of an image: its ranges of blocks with their SHA-256
 * digests. It belongs to a raw image of the same content, compressed or not.
 *
 * A block is left out when the files of the image have nothing for any of its bytes. Zeros that a file stores count: on a
 * used disk they are different from what was there before. With `detectZeroes` all blocks of zeros are left out.
 *
 * @throws UmlcowError IN_USE, SAME_FILE, TARGET_…, BACKING_…, INPUT_CHANGED, INTERRUPTED, and what opening throws
 */
export async function writeBmap(
  path: string | URL,
  target: HostPath | URL,
  options: WriteBmapOptions = {},
): Promise<WrittenBmap> {
  const [from, to] = [textPath('path', path), hostPath('target', target)]
  const checked = checkedOptions(options, bmapRules)
  return withUnseenTold(options.files ?? localHostFiles, async (files) => {
    const image = await openInputImage(files, from, checked)
    try {
      return await writeBmapOf(files, image, to, checked)
    } finally {
      await image.close()
    }
  })
}

async function writeBmapOf(
  files: HostFiles,
  image: FileImage,
  target: HostPath,
  options: WriteBmapOptions,
): Promise<WrittenBmap> {
  const existing = await targetFacts(files, target)
  for (const { facts, path } of image.files) refuseSameFile(existing, printablePath(target), facts, path)
  const place = await guardTarget(files, target, options)
  const { warnings } = await checkQcow2Layers(image.files, options)
  const list = await findMapped(files, image, options)
  const stretches = list.stretches()
  await writeNewFile(files, place, { permissions: 0o644, signal: options.signal }, async (store) => {
    await fill(store, image, stretches, options)
    if (options.force?.includes('in-use')) return
    for (const file of image.files) refuseChanged(files, file, 'map')
  })
  return { virtualSize: image.virtualSize, mappedLength: list.total, ranges: stretches.length / 2, warnings }
}

/** Find the blocks with data. When they are too many ranges, the last range has the gaps, too. */
async function findMapped(files: HostFiles, image: FileImage, options: WriteBmapOptions): Promise<StretchList> {
  const list = new StretchList(mostRanges)
  for await (const extent of await extentsOf(files, image, 0, image.virtualSize, { ...options, holes: true })) {
    throwIfAborted(options.signal)
    if (!extent.data || extent.zero) continue
    const start = Math.max(list.end, floorTo(extent.start, writtenBlockSize))
    const end = Math.min(image.virtualSize, ceilTo(extent.start + extent.length, writtenBlockSize))
    if (end > start) list.cover(start, end)
  }
  return list
}

const windowSize = 256 * 1024

async function fill(
  store: BlockStore,
  image: FileImage,
  stretches: Stretches,
  options: WriteBmapOptions,
): Promise<void> {
  const report = progressReporter(options, image.virtualSize, 'map')
  const fileDigest = new Sha256()
  let offset = 0
  const write = async (bytes: Uint8Array) => {
    fileDigest.update(bytes)
    await writeExact(store, offset, bytes)
    offset += bytes.length
  }
  const head = serializeBmapHead(image.virtualSize, mappedBlocks(stretches))
  await write(head.bytes)
  const room = allocateUnsafe(windowSize)
  for (let i = 0; i < stretches.length; i += 2) {
    const [start, end] = [stretches[i]!, stretches[i + 1]!]
    const digest = new Sha256()
    for (let at = start; at < end; at += windowSize) {
      throwIfAborted(options.signal)
      const bytes = room.subarray(0, Math.min(windowSize, end - at))
      await image.read(at, bytes)
      digest.update(bytes)
      report?.(at)
    }
    await write(serializeBmapRange(start, end, digest.hex()))
  }
  await write(bmapTail)
  await writeExact(store, head.fileDigestOffset, latin1Bytes(fileDigest.hex()))
  report?.(image.virtualSize)
}

function mappedBlocks(stretches: Stretches): number {
  let count = 0
  for (let i = 0; i < stretches.length; i += 2) count += ceilDivide(stretches[i + 1]! - stretches[i]!, writtenBlockSize)
  return count
}
