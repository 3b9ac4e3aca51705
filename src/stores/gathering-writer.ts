import { allocateUnsafe, copyOf } from '../bytes/fast.js'
import { type BlockStore, isSyncStore, writeExact, writeExactNow } from './block-store.js'

/** Bytes gathered for one write. Longer pieces gain nothing from another copy in memory. */
const gatheredSize = 256 * 1024

/** Joins small pieces that follow each other in a store to few long writes. */
export interface GatheringWriter {
  /** Write a piece later, in order. The caller may use `bytes` again at once. */
  put(offset: number, bytes: Uint8Array): void
  /** Write what `put` has gathered so far. */
  flush(): void
  /** Wait for a store that cannot write at once. @returns undefined when there is nothing to wait for */
  settle(): Promise<void> | undefined
}

/** Make a writer to a store: what is ready to go is written at once where the store can, and by `settle` elsewhere. */
export function gatheringWriter(store: BlockStore): GatheringWriter {
  const held = allocateUnsafe(gatheredSize)
  let heldLength = 0
  let heldOffset = 0
  const waiting: { readonly offset: number; readonly bytes: Uint8Array }[] = []

  function send(offset: number, bytes: Uint8Array): void {
    if (isSyncStore(store)) writeExactNow(store, offset, bytes)
    else waiting.push({ offset, bytes: copyOf(bytes) })
  }

  function flush(): void {
    if (heldLength > 0) send(heldOffset, held.subarray(0, heldLength))
    heldLength = 0
  }

  async function sendWaiting(): Promise<void> {
    for (const { offset, bytes } of waiting.splice(0)) await writeExact(store, offset, bytes)
  }

  return {
    put(offset, bytes) {
      if (heldOffset + heldLength !== offset || heldLength + bytes.length > gatheredSize) flush()
      if (bytes.length >= gatheredSize) return send(offset, bytes)
      if (heldLength === 0) heldOffset = offset
      held.set(bytes, heldLength)
      heldLength += bytes.length
    },
    flush,
    settle: () => (waiting.length === 0 ? undefined : sendWaiting()),
  }
}
