import type { SourceItem } from '../source/tree-source.js'

/** The items on their way through. */
export interface WatchedItems {
  readonly items: AsyncIterable<SourceItem>
  /** Whether the host has under the name of the last item what it is in the tree. */
  isAsInTree(): boolean
}

export function watchHostTypes(items: AsyncIterable<SourceItem>): WatchedItems {
  let last: SourceItem | null = null
  async function* passed(): AsyncGenerator<SourceItem> {
    for await (const item of items) {
      last = item
      yield item
    }
  }
  return { items: passed(), isAsInTree: () => last !== null && last.entry.type === last.hostType }
}
