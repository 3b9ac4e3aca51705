import { floorTo } from '../../bytes/align.js'
import { type Extent, joinExtents } from '../../bytes/extents.js'
import { throwIfAborted } from '../../errors.js'
import type { Qcow2Header } from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import { disposable } from '../../stores/disposable.js'
import { OpenState } from '../../stores/open-state.js'
import { backingExtents, readBacking } from '../below.js'
import { checkGuestRange, type Image } from '../image.js'
import {
  addPart,
  isFull,
  type ListedLayers,
  listPartsBelow,
  origin,
  type PartBatch,
  type PartLister,
} from '../part-batch.js'
import { storedReader } from '../read-stored.js'
import { type ClusterRun, openClusterMap } from './cluster-map.js'
import { compressedReader } from './compressed-clusters.js'
import { plainUnpackers, type Unpackers } from './unpackers.js'

export interface Qcow2ImageOptions {
  /** How to unpack compressed clusters; default what every platform has, which lacks zstd. */
  readonly unpackers?: Unpackers | undefined
  /** Ends reads and walks with INTERRUPTED. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Open a qcow2 image. The new image closes the store and the backing image.
 *
 * It reads the active clusters only, no internal snapshot. It keeps pieces of the tables in memory, at most 8 MiB, and
 * assumes that the file does not change.
 *
 * @param backing  the image below; null without one. Bytes beyond its virtual size read as zeros
 * @throws         UmlcowError QCOW2_DAMAGED and QCOW2_FEATURE, from `read` and `extents`
 */
export function openQcow2Image(
  store: BlockStore,
  header: Qcow2Header,
  backing: Image | null,
  options: Qcow2ImageOptions = {},
): Image & AsyncDisposable {
  const { virtualSize, clusterSize } = header
  const state = new OpenState(store.name)
  const clusters = openClusterMap(store, header)
  const readStore = storedReader(store)
  const readCompressed = compressedReader(store, header, options.unpackers ?? plainUnpackers)

  async function* extents(start: number, end: number): AsyncGenerator<Extent> {
    state.assertOpen()
    for (let at = start; at < end; ) {
      throwIfAborted(options.signal)
      const found = clusters.firstRun(at, end)
      const run = found instanceof Promise ? await found : found
      state.assertOpen()
      if (run.kind === 'below' && backing !== null) yield* backingExtents(backing, run)
      else yield extentOf(run)
      at = run.end
    }
  }

  function listParts(start: number, end: number, layers: ListedLayers, batch: PartBatch): number | Promise<number> {
    state.assertOpen()
    throwIfAborted(options.signal)
    let at = start
    while (at < end && !isFull(batch)) {
      const run = clusters.firstRun(at, end)
      // Once read, the table is at hand: the caller asks again.
      if (run instanceof Promise) return run.then(() => at)
      if (run.kind === 'below' && backing !== null) {
        const reached = listPartsBelow(backing, at, run.end, layers, batch)
        if (typeof reached !== 'number' || reached === at) return reached
        at = reached
      } else {
        if (run.kind === 'data') addPart(batch, at, run.end, layers.depth, run.offset)
        else addPart(batch, at, run.end, run.kind === 'compressed' ? origin.image : origin.zeros, 0)
        at = run.end
      }
    }
    return at
  }

  async function read(offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length
    for (let at = offset; at < end; ) {
      throwIfAborted(options.signal)
      const found = clusters.firstRun(at, end)
      const run = found instanceof Promise ? await found : found
      const part = target.subarray(at - offset, run.end - offset)
      const pending = readRun(run, part)
      if (pending !== undefined) await pending
      at = run.end
    }
  }

  function readRun(run: ClusterRun, target: Uint8Array): Promise<void> | undefined {
    if (run.kind === 'data') return readStore(run.offset, target)
    if (run.kind === 'compressed') return copyCompressed(run, target)
    if (run.kind === 'below' && backing !== null) return readBacking(backing, run.start, target)
    target.fill(0)
    return undefined
  }

  async function copyCompressed(run: ClusterRun & { readonly kind: 'compressed' }, target: Uint8Array): Promise<void> {
    const cluster = await readCompressed(run.place, run.start)
    const from = run.start - floorTo(run.start, clusterSize)
    target.set(cluster.subarray(from, from + target.length))
  }

  const image: PartLister = {
    virtualSize,
    async read(offset, target) {
      await state.run(async () => {
        checkGuestRange(image, offset, target.length)
        await read(offset, target)
      })
    },
    extents(start, length) {
      checkGuestRange(image, start, length)
      return joinExtents(extents(start, start + length))
    },
    listParts,
    close: () =>
      state.close(async () => {
        try {
          await backing?.close()
        } finally {
          await store.close()
        }
      }),
  }
  return disposable(image)
}

/** Describe a run of this layer. Without a backing file, bytes of no cluster are zeros that nothing says. */
function extentOf(run: ClusterRun): Extent {
  const { start, end } = run
  const common = { start, length: end - start, depth: 0 }
  if (run.kind === 'below') return { ...common, data: false, zero: true, present: false }
  if (run.kind === 'compressed') return { ...common, data: true, zero: false }
  const offset = run.offset === null ? {} : { offset: run.offset }
  return { ...common, data: run.kind === 'data', zero: run.kind === 'zero', ...offset }
}
