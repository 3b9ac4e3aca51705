import { floorDivide } from '../bytes/align.js'
import type { SyncBlockStore } from './block-store.js'

/** Places where writes go on, such as the data and the tables of an image. */
const streamsKept = 16

/**
 * Make a store that keeps no bytes and counts the blocks that a host would store. It counts a block once as long as each
 * of a few streams of writes goes on where it ended.
 *
 * @returns the store, and the bytes of the blocks so far
 */
export function openCountingStore(name: string, blockSize: number): SyncBlockStore & { storedSize(): number } {
  let size = 0
  let blocks = 0
  /** The last block of each stream, most recently used last. */
  const last: number[] = []

  function count(offset: number, length: number): void {
    if (length === 0) return
    const first = floorDivide(offset, blockSize)
    const end = floorDivide(offset + length - 1, blockSize)
    const stream = last.findIndex((block) => block === first || block + 1 === first)
    const isCounted = stream >= 0 && last[stream] === first
    blocks += end - first + (isCounted ? 0 : 1)
    if (stream >= 0) last.splice(stream, 1)
    else if (last.length >= streamsKept) last.shift()
    last.push(end)
  }

  const store: SyncBlockStore & { storedSize(): number } = {
    name,
    get size() {
      return size
    },
    storedSize: () => blocks * blockSize,
    readNow: () => {
      throw new Error('unreachable: nothing was kept')
    },
    read: async (offset, target) => store.readNow(offset, target),
    writeNow(offset, source) {
      count(offset, source.length)
      size = Math.max(size, offset + source.length)
      return source.length
    },
    write: async (offset, source) => store.writeNow(offset, source),
    truncate: async (newSize) => {
      size = newSize
    },
    sync: async () => {},
    close: async () => {},
  }
  return store
}
