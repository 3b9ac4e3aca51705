import { allocate } from '../../../bytes/fast.js'
import { nextTurn } from '../../../bytes/next-turn.js'
import { throwIfAborted } from '../../../errors.js'
import type { BlockStore } from '../../../stores/block-store.js'
import { storedReader } from '../../read-stored.js'

/** Bytes of a table in memory. */
const partSize = 64 * 1024

/** Called for each entry: its place in `view`, and its number. @returns a promise when the walk must wait */
export type VisitEntry = (view: DataView, at: number, index: number) => Promise<void> | undefined

/** Walks over tables, with one buffer for each level of them. */
export type WalkEntries = (
  table: { readonly offset: number; readonly count: number; readonly entrySize: number },
  visit: VisitEntry,
) => Promise<void>

/** Make a walker over tables of a store. Bytes behind its end count as zeros. */
export function entryWalker(store: BlockStore, signal: AbortSignal | undefined): WalkEntries {
  const buffer = allocate(partSize)
  const view = new DataView(buffer.buffer, buffer.byteOffset, partSize)
  const read = storedReader(store)
  let parts = 0
  return async ({ offset, count, entrySize }, visit) => {
    const perPart = partSize / entrySize
    for (let first = 0; first < count; first += perPart) {
      throwIfAborted(signal)
      if (++parts % 64 === 0) await nextTurn()
      const last = Math.min(count, first + perPart)
      const reading = read(offset + first * entrySize, buffer.subarray(0, (last - first) * entrySize))
      if (reading !== undefined) await reading
      for (let index = first; index < last; index++) {
        const pending = visit(view, (index - first) * entrySize, index)
        if (pending !== undefined) await pending
      }
    }
  }
}
