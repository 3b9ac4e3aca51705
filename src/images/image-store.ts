import { UmlcowError } from '../errors.js'
import type { BlockStore } from '../stores/block-store.js'
import { OpenState } from '../stores/open-state.js'
import type { Image } from './image.js'

/** Make an image a store to read from, so that an executor can use a chain as a backing file. It closes the image. */
export function imageStore(image: Image, name: string): BlockStore {
  const state = new OpenState(name)
  const readOnly = async (): Promise<never> => {
    state.assertOpen()
    throw new UmlcowError('OUT_OF_RANGE', `${name}: an image of several layers cannot be written`)
  }
  return {
    name,
    size: image.virtualSize,
    async read(offset, target) {
      state.assertOpen()
      const count = Math.max(0, Math.min(target.length, image.virtualSize - offset))
      if (count > 0) await image.read(offset, target.subarray(0, count))
      return count
    },
    write: readOnly,
    truncate: readOnly,
    sync: async () => state.assertOpen(),
    close: () => state.close(() => image.close()),
  }
}
