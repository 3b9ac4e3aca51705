import type { TreeFacts } from '../host/tree-files.js'

export interface LinkedOutside {
  /** The first name that was seen. */
  readonly path: Buffer
  /** How many names it has that were not. */
  readonly count: number
}

/** Counts the names of files that have several. */
export interface LinkCount {
  /** @returns whether no other name of the same file was seen */
  isFirst(path: Buffer, facts: TreeFacts): boolean
  /** Files with names that are not in the tree. */
  outside(): Iterable<LinkedOutside>
}

export function createLinkCount(): LinkCount {
  /** Files of which names are missing; those that are complete are forgotten, or a large tree would take much memory. */
  const open = new Map<string, { path: Buffer; missing: number }>()
  return {
    isFirst(path, { type, nlink, device, inode }) {
      if (nlink < 2 || type === 'directory') return true
      const key = `${device}:${inode}`
      const file = open.get(key)
      if (file === undefined) {
        open.set(key, { path, missing: nlink - 1 })
        return true
      }
      file.missing--
      if (file.missing === 0) open.delete(key)
      return false
    },
    *outside() {
      for (const { path, missing } of open.values()) yield { path, count: missing }
    },
  }
}
