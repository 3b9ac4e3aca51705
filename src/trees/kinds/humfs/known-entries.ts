import type { ParsedMetadata } from '../../../formats/humfs/metadata.js'
import type { TreeFacts } from '../../host/tree-facts.js'

/** Keep at most this many entries, which take 27 MB. The second walk reads the others again. */
const mostKept = 1_500_000
const firstRoom = 4096

/**
 * Keeps the entries of a first walk through data for a second walk: an inode, an owner and a mode for each. It keeps
 * them in the order of the walk. An entry counts only if the second walk finds the same inode at the same index.
 * Otherwise the directory has changed, and the walk reads the entry again.
 */
export interface KnownEntries {
  /** Adds the next entry of the first walk. Nodes and names without an entry take an index, but are not kept. */
  add(facts: TreeFacts, entry: ParsedMetadata | null): void
  /** Gets the entry at an index of the second walk. @returns null when the caller must read it */
  at(index: number, facts: TreeFacts): ParsedMetadata | null
}

/** Start with no entries. */
export function createKnownEntries(): KnownEntries {
  let [inodes, owners, modes] = arraysOf(firstRoom)
  let count = 0
  const grow = () => {
    const larger = arraysOf(Math.min(mostKept, inodes.length * 2))
    larger[0].set(inodes)
    larger[1].set(owners)
    larger[2].set(modes)
    ;[inodes, owners, modes] = larger
  }
  return {
    add({ inode }, entry) {
      const index = count++
      if (index >= mostKept) return
      if (index === inodes.length) grow()
      if (entry === null || entry.node !== null || entry.isTooLong) return
      inodes[index] = inode
      owners[index * 2] = entry.uid
      owners[index * 2 + 1] = entry.gid
      modes[index] = entry.mode
    },
    at(index, { inode }) {
      if (index >= Math.min(count, mostKept) || inodes[index] !== inode || inode === 0n) return null
      return {
        mode: modes[index]!,
        uid: owners[index * 2]!,
        gid: owners[index * 2 + 1]!,
        node: null,
        isTooLong: false,
      }
    },
  }
}

function arraysOf(room: number): [BigUint64Array, Uint32Array, Uint16Array] {
  return [new BigUint64Array(room), new Uint32Array(room * 2), new Uint16Array(room)]
}
