import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'
import { formatOf, headLength, type ImageFormat } from './formats.js'

/** What a look at the first bytes of a store found. */
export interface Probe {
  readonly format: ImageFormat
  /** The first bytes of the store, as many as the longest header has; fewer when the store ends before. */
  readonly head: Uint8Array
}

/** Name the format of a store. This is the only place that looks at first bytes to tell one format from another. */
export async function probe(store: BlockStore): Promise<Probe> {
  const head = await readHead(store)
  return { format: formatOf(head), head }
}

/** The first bytes of a store, as many as the longest header has, fewer when it ends before. */
export async function readHead(store: BlockStore): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(headLength, store.size))
  if (isSyncStore(store)) readPaddedNow(store, 0, bytes)
  else await readPadded(store, 0, bytes)
  return bytes
}
