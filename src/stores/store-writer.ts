import { type BlockStore, isSyncStore, writeExact, writeExactNow } from './block-store.js'

/** Writes all of `source`. Returns undefined when the write is complete already. */
export type StoreWriter = (offset: number, source: Uint8Array) => Promise<void> | undefined

/** Make a writer to a store: it writes at once where the store can, and by promises elsewhere. */
export function storeWriter(store: BlockStore): StoreWriter {
  if (!isSyncStore(store)) return (offset, source) => writeExact(store, offset, source)
  return (offset, source) => {
    writeExactNow(store, offset, source)
    return undefined
  }
}
