import { floorDivide } from '../bytes/align.js'
import { setBits } from '../bytes/bitmap.js'
import { allocate } from '../bytes/fast.js'
import { computeLayout, type NewCowHeader, serializeNewHeader } from '../formats/cow/index.js'
import { type BlockStore, writeExact } from '../stores/block-store.js'
import { storeWriter } from '../stores/store-writer.js'
import type { ImageSink } from './new-image.js'

/** Bytes of bitmap in memory: the bits of 128 MiB of 512-byte sectors. */
const pieceSize = 32 * 1024

/**
 * Make an overlay of version 3 in an empty store: data and bitmap at their places, the header last.
 *
 * Exactly the sectors that are written or made zeros are allocated. Zeros need no bytes: a hole of the file reads as
 * zeros. Parts of the bitmap without a set bit stay holes, too.
 */
export function createCowSink(store: BlockStore, header: NewCowHeader): ImageSink {
  const { sectorSize, virtualSize } = header
  const { bitmapOffset, dataOffset, bitmapLength } = computeLayout({ ...header, layout: 'v3' })
  const headerBytes = serializeNewHeader(header)
  const writeStore = storeWriter(store)
  const piece = allocate(Math.min(pieceSize, bitmapLength))
  const pieceLength = piece.length * 8 * sectorSize
  let pieceStart = 0
  let isDirty = false

  function flush(): Promise<void> | undefined {
    if (!isDirty) return undefined
    const offset = pieceStart / (8 * sectorSize)
    isDirty = false
    return writeStore(bitmapOffset + offset, piece.subarray(0, Math.min(piece.length, bitmapLength - offset)))
  }

  /** Move on to the piece with the bits of `offset`. */
  function moveTo(offset: number): Promise<void> | undefined {
    const pending = flush()
    const next = () => {
      pieceStart = floorDivide(offset, pieceLength) * pieceLength
      piece.fill(0)
    }
    if (pending !== undefined) return pending.then(next)
    next()
    return undefined
  }

  /** Mark sectors as allocated. */
  function mark(start: number, end: number): Promise<void> | undefined {
    for (let at = start; at < end; ) {
      if (at >= pieceStart + pieceLength) {
        const pending = moveTo(at)
        if (pending !== undefined) return pending.then(() => mark(at, end))
      }
      const markedEnd = Math.min(end, pieceStart + pieceLength)
      setBits(piece, (at - pieceStart) / sectorSize, Math.ceil((markedEnd - pieceStart) / sectorSize))
      isDirty = true
      at = markedEnd
    }
    return undefined
  }

  return {
    unit: sectorSize,
    write(offset, data) {
      const pending = mark(offset, offset + data.length)
      if (pending === undefined) return writeStore(dataOffset + offset, data)
      return pending.then(() => writeStore(dataOffset + offset, data))
    },
    zero: (offset, length) => mark(offset, offset + length),
    async finish() {
      await flush()
      if (store.size !== dataOffset + virtualSize) await store.truncate(dataOffset + virtualSize)
      await writeExact(store, 0, headerBytes)
    },
  }
}
