import { ByteTable } from '../bytes/byte-table.js'
import { asBuffer } from '../machine/path-bytes.js'
import type { TreeFacts } from './host/tree-facts.js'

/** Facts that identify a file, and the number of its names. */
export type LinkFacts = Pick<TreeFacts, 'type' | 'device' | 'inode' | 'nlink'>

/** A file that has names outside of what the table has seen. */
export interface LinkedFile {
  /** The note of the first name. */
  readonly note: Buffer
  /** The number of its names that have not come. */
  readonly missing: number
}

const countLength = 4

/**
 * Finds the names of the same file. For each file with several names it keeps a note of the first one. A file takes the
 * length of its note and some 60 bytes more, so that a million of them do not fill the memory.
 */
export class LinkTable {
  private readonly table = new ByteTable()

  /**
   * Record a name.
   *
   * @param note  makes the note; called for the first name only
   * @returns     the note of the file's first name; null for the first name, and for a file without other known names
   */
  further(facts: LinkFacts, note: () => Buffer): Buffer | null {
    if (!hasSeveralNames(facts)) return null
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
    // All names have come: the file got a new one, or another file has its inode now.
    if (missing === 0) return null
    known.writeUInt32LE(missing - 1)
    return Buffer.from(known.subarray(countLength))
  }

  /** List the files with names that have not come, in the order of their first names. */
  *incomplete(): Generator<LinkedFile> {
    for (const value of this.table.values()) {
      const missing = asBuffer(value).readUInt32LE()
      if (missing > 0) yield { note: Buffer.from(value.subarray(countLength)), missing }
    }
  }
}

/** Whether a file has several names. A directory counts its subdirectories as links. */
export function hasSeveralNames({ type, nlink }: LinkFacts): boolean {
  return nlink > 1 && type !== 'directory'
}

/** Make a key that no other file of the host has. */
export function inodeKey({ device, inode }: Pick<TreeFacts, 'device' | 'inode'>): Buffer {
  const key = Buffer.alloc(16)
  key.writeBigUInt64LE(BigInt.asUintN(64, device))
  key.writeBigUInt64LE(BigInt.asUintN(64, inode), 8)
  return key
}
