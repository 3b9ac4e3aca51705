import { ByteTable } from '../bytes/byte-table.js'
import { asBuffer } from '../machine/path-bytes.js'
import type { TreeFacts } from './host/tree-facts.js'

/** What tells files apart, and how many names they have. */
export type LinkFacts = Pick<TreeFacts, 'type' | 'device' | 'inode' | 'nlink'>

export interface LinkedFile {
  /** What was noted with the first name. */
  readonly note: Buffer
  /** How many of its names have not come. */
  readonly missing: number
}

const countLength = 4

/**
 * A note with the first name of each file that has several, in some 60 bytes and its length, so that a million of them
 * do not fill the memory.
 */
export class LinkTable {
  private readonly table = new ByteTable()

  /**
   * Take down a name.
   *
   * @param note  of the first name; made for that one only
   * @returns     what was noted with the first name of the file; null for the first, and for what has no other that is known
   */
  further(facts: LinkFacts, note: () => Buffer): Buffer | null {
    if (facts.nlink < 2 || facts.type === 'directory') return null
    const key = inodeKey(facts)
    const found = this.table.get(key)
    if (found === null) {
      const count = Buffer.alloc(countLength)
      count.writeUInt32LE(facts.nlink - 1)
      this.table.add(key, Buffer.concat([count, note()]))
      return null
    }
    const known = asBuffer(found)
    const missing = known.readUInt32LE()
    // All have come: it has got a new one, or its inode is another file's by now.
    if (missing === 0) return null
    known.writeUInt32LE(missing - 1)
    return Buffer.from(known.subarray(countLength))
  }

  /** Files with names that have not come, in the order of their first ones. */
  *incomplete(): Generator<LinkedFile> {
    for (const value of this.table.values()) {
      const missing = asBuffer(value).readUInt32LE()
      if (missing > 0) yield { note: Buffer.from(value.subarray(countLength)), missing }
    }
  }
}

/** What tells a file from all others of the host. */
export function inodeKey({ device, inode }: Pick<TreeFacts, 'device' | 'inode'>): Buffer {
  const key = Buffer.alloc(16)
  key.writeBigUInt64LE(BigInt.asUintN(64, device))
  key.writeBigUInt64LE(BigInt.asUintN(64, inode), 8)
  return key
}
