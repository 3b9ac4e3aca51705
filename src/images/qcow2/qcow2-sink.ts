import { isPowerOfTwo } from '../../bytes/align.js'
import { qcow2Limits } from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import type { ImageSink } from '../new-image.js'
import { NewQcow2, type NewQcow2Options } from './new-qcow2.js'
import { type PackCluster, PackedSink } from './packed-sink.js'
import { createPlainSink } from './plain-sink.js'

export interface Qcow2SinkOptions extends Omit<NewQcow2Options, 'clusterSize'> {
  /** A power of two from 512 bytes to 2 MiB; default 64 KiB. */
  readonly clusterSize?: number | undefined
  /** Store clusters compressed where that makes them shorter. */
  readonly compress?: PackCluster | undefined
}

/** The cluster size that QEMU chooses, too. */
export const defaultClusterSize = 64 * 1024

/**
 * Write a new qcow2 image of version 3 into an empty store, front to back: data, then each L2 table behind its data, the
 * refcounts behind what they count, and the header last. In memory: a few clusters, and at most 8 MiB of offsets.
 *
 * @throws RangeError for a wrong cluster size. UmlcowError BAD_VIRTUAL_SIZE when the image needs larger clusters,
 *         PATH_TOO_LONG
 */
export function createQcow2Sink(store: BlockStore, options: Qcow2SinkOptions): ImageSink {
  const { clusterSize = defaultClusterSize, compress } = options
  assertClusterSize(clusterSize)
  const image = new NewQcow2(store, { ...options, clusterSize })
  return compress === undefined ? createPlainSink(image, clusterSize) : new PackedSink(image, clusterSize, compress)
}

/** @throws RangeError unless it is a power of two from 512 bytes to 2 MiB */
export function assertClusterSize(clusterSize: number): void {
  const { least, most } = qcow2Limits.clusterBits
  if (isPowerOfTwo(clusterSize) && clusterSize >= 2 ** least && clusterSize <= 2 ** most) return
  throw new RangeError(`clusterSize: expected a power of two from ${2 ** least} to ${2 ** most}, got ${clusterSize}`)
}
