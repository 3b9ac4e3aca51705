import { unfit } from './archive-error.js'
import type { ManifestEntry } from './entry.js'
import { pathKey } from './path.js'

/** What tells the names of one file from those of others in formats without paths of first names. */
export interface LinkNumber {
  readonly inode: number
  /** Null where nobody knows it. */
  readonly linkCount: number | null
}

interface Group {
  readonly inode: number
  readonly linkCount: number | null
  left: number
}

/**
 * Gives each file a number of its own, and all names of a file the same one.
 *
 * Where `linkCount` is known only files with several names are remembered, until their last one; where it is not, all.
 */
export class LinkNumbers {
  private next = 1
  private readonly groups = new Map<string, Group>()

  numberOf(entry: ManifestEntry): LinkNumber {
    return entry.hardLinkTo === null ? this.first(entry) : this.further(entry, entry.hardLinkTo)
  }

  private first(entry: ManifestEntry): LinkNumber {
    const inode = this.next++
    const linkCount = entry.type === 'directory' ? 1 : (entry.linkCount ?? null)
    if (linkCount === null || linkCount > 1) {
      this.groups.set(pathKey(entry.path), { inode, linkCount, left: (linkCount ?? Number.POSITIVE_INFINITY) - 1 })
    }
    return { inode, linkCount }
  }

  private further(entry: ManifestEntry, firstName: Buffer): LinkNumber {
    const key = pathKey(firstName)
    const group = this.groups.get(key)
    if (group === undefined) throw unfit(entry.path, 'a further name of a file that did not come before it')
    group.left--
    if (group.left === 0) this.groups.delete(key)
    return group
  }
}
