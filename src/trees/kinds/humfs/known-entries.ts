import type { ParsedMetadata } from '../../../formats/humfs/metadata.js'
import type { TreeFacts } from '../../host/tree-facts.js'

/** So many take 27 MB. The entries after them are read again. */
const mostKept = 1_500_000
const firstRoom = 4096

/**
 * The entries that a first walk through data has read, for a second one: two numbers and a mode for each. They are kept
 * in the order of the walk, and one counts for a name of that place only that is still the same file: where the
 * directory has changed, the entry is read again.
 */
export interface KnownEntries {
  /** The next of the first walk. Nodes and what has no entry are not kept, but have their place. */
  add(facts: TreeFacts, entry: ParsedMetadata | null): void
  /** The entry at a place of the second walk. @returns null when it has to be read */
  at(index: number, facts: TreeFacts): ParsedMetadata | null
}

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
