import { allocateUnsafe } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import type { CompressedPlace, Qcow2Header } from '../../formats/qcow2/index.js'
import type { BlockStore } from '../../stores/block-store.js'
import { storedReader } from '../read-stored.js'
import type { Unpackers } from './unpackers.js'

/** Reads a compressed cluster: returns all its bytes. The caller must not keep them. */
export type ReadCompressed = (place: CompressedPlace, guestOffset: number) => Promise<Uint8Array>

/** Make a reader of compressed clusters. It keeps the last one: a guest, or a copy, often asks for the next part of it. */
export function compressedReader(store: BlockStore, header: Qcow2Header, unpackers: Unpackers): ReadCompressed {
  const { clusterSize, compression } = header
  const read = storedReader(store)
  let held: { readonly offset: number; readonly cluster: Uint8Array } | null = null

  return async (place, guestOffset) => {
    if (held?.offset === place.offset) return held.cluster
    const unpack = unpackers[compression]
    if (unpack === null) throw noUnpacker(store, compression)
    // A place has at most one sector more than a cluster, so this is bounded by the cluster size.
    const packed = allocateUnsafe(Math.min(place.end, store.size) - place.offset)
    const pending = read(place.offset, packed)
    if (pending !== undefined) await pending
    const cluster = allocateUnsafe(clusterSize)
    if (!unpack(packed, cluster)) {
      throw new UmlcowError('QCOW2_DAMAGED', `${store.name}: the compressed cluster of guest offset ${guestOffset}`, {
        details: { guestOffset },
      })
    }
    held = { offset: place.offset, cluster }
    return cluster
  }
}

function noUnpacker(store: BlockStore, compression: string): UmlcowError {
  return new UmlcowError(
    'QCOW2_FEATURE',
    `${store.name}: this platform cannot unpack clusters compressed with ${compression}`,
    {
      details: { feature: compression },
      hint: 'use Node 22.15 or later, or "qemu-img convert -O qcow2" for a copy that is not compressed',
    },
  )
}
