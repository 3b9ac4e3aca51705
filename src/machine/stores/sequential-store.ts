import { UmlcowError } from '../../errors.js'
import type { BlockStore } from '../../stores/block-store.js'
import { OpenState } from '../../stores/open-state.js'

/**
 * Make a store that takes bytes once, from start to end, and cannot be read. What takes the bytes stays open: it belongs
 * to the caller.
 *
 * @param take  takes bytes that belong at `position`, and returns how many it took
 */
export function sequentialStore(
  name: string,
  take: (bytes: Uint8Array, position: number) => Promise<number>,
): BlockStore {
  let size = 0
  const state = new OpenState(name)

  async function write(offset: number, source: Uint8Array): Promise<number> {
    if (offset !== size)
      throw new UmlcowError('OUT_OF_RANGE', `${name}: cannot write at offset ${offset}: not seekable`)
    const count = await take(source, size)
    size += count
    return count
  }

  return {
    name,
    get size() {
      return size
    },
    write: (offset, source) => state.run(() => write(offset, source)),
    read: async () => {
      state.assertOpen()
      throw new UmlcowError('OUT_OF_RANGE', `${name}: cannot be read`)
    },
    truncate: async () => state.assertOpen(),
    sync: async () => state.assertOpen(),
    close: () => state.close(async () => {}),
  }
}
