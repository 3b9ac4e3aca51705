import { allocate } from '../bytes/fast.js'
import { type BlockStore, writeExact } from '../stores/block-store.js'
import { storeWriter } from '../stores/store-writer.js'
import type { ImageSink } from './new-image.js'

/** Raw images have no unit of their own. A sector is the smallest one that disks have. */
const rawUnit = 512

/** A size, or a function for one that only the end of the input shows. `finish` calls it. */
type RawSize = number | (() => number)

function sizeNow(size: RawSize): number {
  return typeof size === 'number' ? size : size()
}

/** Make a raw image in an empty store. Ranges that nobody writes become holes. */
export function createRawSink(store: BlockStore, virtualSize: RawSize): ImageSink {
  return {
    unit: rawUnit,
    write: storeWriter(store),
    zero: () => undefined,
    async finish() {
      const size = sizeNow(virtualSize)
      if (store.size !== size) await store.truncate(size)
    },
  }
}

/** Bytes of zeros written at a time. */
const zerosLength = 256 * 1024

/** Send a raw image into a store that takes bytes once, from start to end, such as a pipe. */
export function createRawStreamSink(store: BlockStore, virtualSize: RawSize): ImageSink {
  const zeros = allocate(zerosLength)
  let position = 0

  async function fillUpTo(end: number): Promise<void> {
    while (position < end) {
      const length = Math.min(zerosLength, end - position)
      await writeExact(store, position, zeros.subarray(0, length))
      position += length
    }
  }

  return {
    unit: rawUnit,
    async write(offset, data) {
      await fillUpTo(offset)
      await writeExact(store, offset, data)
      position = offset + data.length
    },
    zero: () => undefined,
    finish: () => fillUpTo(sizeNow(virtualSize)),
  }
}
