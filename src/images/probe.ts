import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'
import { formatOf, headLength, type ImageFormat } from './image-formats.js'

/** What the first bytes of a store show. */
export interface Probe {
  readonly format: ImageFormat
  /** The first bytes of the store: as many as the longest header has, fewer when the store is shorter. */
  readonly head: Uint8Array
}

/** Find the format of a store. No other code compares the first bytes of a file with the formats. */
export async function probe(store: BlockStore): Promise<Probe> {
  const head = await readHead(store)
  return { format: formatOf(head), head }
}

/** Read the first bytes of a store: as many as the longest header has, fewer when the store is shorter. */
export async function readHead(store: BlockStore): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(headLength, store.size))
  if (isSyncStore(store)) readPaddedNow(store, 0, bytes)
  else await readPadded(store, 0, bytes)
  return bytes
}
