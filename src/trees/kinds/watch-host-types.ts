import type { SourceItem } from '../source/tree-source.js'

/** Items that are passed on, with the last one remembered. */
export interface WatchedItems {
  readonly items: AsyncIterable<SourceItem>
  /** Whether the host's file of the last item has the type of its entry. */
  isAsInTree(): boolean
  /** Whether the host's file of the last item has another type. */
  isOtherInTree(): boolean
}

/** Pass items on, so that a writer can ask about the last one. */
export function watchHostTypes(items: AsyncIterable<SourceItem>): WatchedItems {
  let last: SourceItem | null = null
  async function* passed(): AsyncGenerator<SourceItem> {
    for await (const item of items) {
      last = item
      yield item
    }
  }
  const isAsInTree = () => last !== null && last.entry.type === last.hostType
  return { items: passed(), isAsInTree, isOtherInTree: () => !isAsInTree() && last?.hostType !== null }
}
