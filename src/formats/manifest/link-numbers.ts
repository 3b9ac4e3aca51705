import { ByteTable } from '../../bytes/byte-table.js'
import { viewOf } from '../../bytes/struct.js'
import { unfit } from './archive-error.js'
import type { ManifestEntry } from './entry.js'

/** Identifies the names of one file, for formats that do not store the path of the first name. */
export interface LinkNumber {
  readonly inode: number
  /** Null when it is unknown. */
  readonly linkCount: number | null
}

const unknownCount = 0
/** The number of expected names when the count is unknown. */
const endless = 2 ** 32 - 1

/**
 * Gives each file its own number, the same for all its names.
 *
 * It remembers every file with an unknown `linkCount`. Of the others, it remembers only those with several names.
 */
export class LinkNumbers {
  private next = 1
  /** By first name: the number of the file (8 bytes), its names, and the names that have not come yet (4 each). */
  private readonly files = new ByteTable()

  /** Get the number of an entry's file. @throws UmlcowError ENTRY_UNFIT when a hard link comes before its first name */
  numberOf(entry: ManifestEntry): LinkNumber {
    return entry.hardLinkTo === null ? this.first(entry) : this.further(entry, entry.hardLinkTo)
  }

  private first(entry: ManifestEntry): LinkNumber {
    const inode = this.next++
    const linkCount = entry.type === 'directory' ? 1 : (entry.linkCount ?? null)
    if (linkCount === null || linkCount > 1) {
      const value = this.files.get(entry.path) ?? this.files.add(entry.path, new Uint8Array(16))
      const view = viewOf(value)
      view.setFloat64(0, inode)
      view.setUint32(8, linkCount ?? unknownCount)
      view.setUint32(12, linkCount === null ? endless : linkCount - 1)
    }
    return { inode, linkCount }
  }

  private further(entry: ManifestEntry, firstName: Uint8Array): LinkNumber {
    const value = this.files.get(firstName)
    const view = value === null ? null : viewOf(value)
    const left = view?.getUint32(12) ?? 0
    if (view === null || left === 0) throw unfit(entry.path, 'a hard link to a file that does not come before it')
    view.setUint32(12, left - 1)
    return { inode: view.getFloat64(0), linkCount: view.getUint32(8) || null }
  }
}
