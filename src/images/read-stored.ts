import { nextTurn } from '../bytes/next-turn.js'
import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'

/** Bytes up to which a local file is read at once: from the page cache that takes a tenth of what a promise takes. */
const mostAtOnce = 64 * 1024

/** Milliseconds spent in reads at once before the event loop gets a turn, so that signals come through. */
const sliceDuration = 25

/** Fills `target` from a store, with zeros where the store has ended. Undefined: it is done already. */
export type ReadStored = (offset: number, target: Uint8Array) => Promise<void> | undefined

/** Reads a store for an image: at once where the store can and the part is small, else by promises. */
export function storedReader(store: BlockStore): ReadStored {
  if (!isSyncStore(store)) return (offset, target) => readPadded(store, offset, target)
  let spent = 0
  return (offset, target) => {
    if (target.length > mostAtOnce) return readPadded(store, offset, target)
    const start = performance.now()
    readPaddedNow(store, offset, target)
    spent += performance.now() - start
    if (spent < sliceDuration) return undefined
    spent = 0
    return nextTurn()
  }
}
