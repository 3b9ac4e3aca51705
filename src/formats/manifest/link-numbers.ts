import { ByteTable } from '../../bytes/byte-table.js'
import { viewOf } from '../../bytes/struct.js'
import { unfit } from './archive-error.js'
import type { ManifestEntry } from './entry.js'

/** What tells the names of one file from those of others in formats without paths of first names. */
export interface LinkNumber {
  readonly inode: number
  /** Null where nobody knows it. */
  readonly linkCount: number | null
}

const unknownCount = 0
/** Names still to come where the count is not known. */
const endless = 2 ** 32 - 1

/**
 * Gives each file a number of its own, and all names of a file the same one.
 *
 * Where `linkCount` is known only files with several names are remembered; where it is not, all.
 */
export class LinkNumbers {
  private next = 1
  /** By first name: the number of the file (8 bytes), how many names it has, and how many have not come (4 each). */
  private readonly files = new ByteTable()

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
    if (view === null || left === 0) throw unfit(entry.path, 'a further name of a file that did not come before it')
    view.setUint32(12, left - 1)
    return { inode: view.getFloat64(0), linkCount: view.getUint32(8) || null }
  }
}
