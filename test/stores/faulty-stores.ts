import type { BlockStore, SyncBlockStore } from '../../src/stores/block-store.js'

/** A store that moves one byte a call, as a system may. */
export function oneByteStore(store: SyncBlockStore): SyncBlockStore {
  return {
    name: store.name,
    get size() {
      return store.size
    },
    read: (offset, target) => store.read(offset, target.subarray(0, 1)),
    write: (offset, source) => store.write(offset, source.subarray(0, 1)),
    readNow: (offset, target) => store.readNow(offset, target.subarray(0, 1)),
    writeNow: (offset, source) => store.writeNow(offset, source.subarray(0, 1)),
    truncate: (size) => store.truncate(size),
    sync: () => store.sync(),
    close: () => store.close(),
  }
}

/** A store that is not synchronous and counts what is asked of it. */
export function countedStore(store: BlockStore): BlockStore & { readonly reads: number; readonly closed: number } {
  let reads = 0
  let closed = 0
  return {
    name: store.name,
    get size() {
      return store.size
    },
    get reads() {
      return reads
    },
    get closed() {
      return closed
    },
    read: (offset, target) => {
      reads++
      return store.read(offset, target)
    },
    write: (offset, source) => store.write(offset, source),
    truncate: (size) => store.truncate(size),
    sync: () => store.sync(),
    close: () => {
      closed++
      return store.close()
    },
  }
}
