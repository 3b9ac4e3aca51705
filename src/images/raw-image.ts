import type { BlockStore } from '../stores/block-store.js'
import { disposable } from '../stores/disposable.js'
import { OpenState } from '../stores/open-state.js'
import { checkGuestRange, type Image } from './image.js'
import { addPart, origin, type PartLister } from './part-batch.js'
import { storedReader } from './read-stored.js'

/**
 * Open a raw image over a store. The image closes the store.
 *
 * @param virtualSize  bytes; the store's size when absent. Bytes beyond the end of the store read as zeros
 */
export function openRawImage(store: BlockStore, virtualSize = store.size): Image & AsyncDisposable {
  const state = new OpenState(store.name)
  const readStore = storedReader(store)
  const image: PartLister = {
    virtualSize,
    async read(offset, target) {
      await state.run(async () => {
        checkGuestRange(image, offset, target.length)
        await readStore(offset, target)
      })
    },
    async *extents(start, length) {
      state.assertOpen()
      checkGuestRange(image, start, length)
      const stored = Math.max(0, Math.min(length, store.size - start))
      if (stored > 0) yield { start, length: stored, depth: 0, data: true, zero: false, offset: start }
      state.assertOpen()
      if (stored < length) yield { start: start + stored, length: length - stored, depth: 0, data: false, zero: true }
    },
    listParts(start, end, { depth }, batch) {
      state.assertOpen()
      const storedEnd = Math.min(end, store.size)
      if (start >= storedEnd) {
        addPart(batch, start, end, origin.zeros, 0)
        return end
      }
      addPart(batch, start, storedEnd, depth, start)
      return storedEnd
    },
    close: () => state.close(() => store.close()),
  }
  return disposable(image)
}
