import { nextTurn } from '../bytes/next-turn.js'
import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'

/** Parts of a local file up to this size are read at once: from the page cache, in a tenth of the time of a promise. */
const mostAtOnce = 64 * 1024

/** After this many milliseconds of reads at once, the event loop gets a turn, so that it handles signals. */
const sliceDuration = 25

/** Fills `target` from a store, and with zeros beyond its end. Returns undefined when the read is complete already. */
export type ReadStored = (offset: number, target: Uint8Array) => Promise<void> | undefined

/** Make a reader of a store: it reads small parts at once where the store can, and all others by promises. */
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
