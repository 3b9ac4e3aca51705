import type { UmlcowError } from '../../errors.js'
import type { ManifestEntry } from '../manifest/entry.js'
import type { CpioMember } from './member.js'

/** A file with several names, some of which the reader has seen. */
interface Group {
  /** Names that wait for the content; the first of them is the first name of the file. */
  waiting: ManifestEntry[]
  /** The first name, with the size, after the reader has yielded it. */
  first: Pick<ManifestEntry, 'path' | 'type' | 'size'> | null
  left: number
}

/**
 * Groups the names of each file. Most writers store the content with the last name only, so the earlier names wait for
 * it. The group holds their entries only. It then releases the first name with the content, and the others as hard
 * links to it.
 */
export class LinkGroups {
  private readonly groups = new Map<string, Group>()
  private readonly error: (what: string) => UmlcowError

  /** @param error  makes an error of the archive */
  constructor(error: (what: string) => UmlcowError) {
    this.error = error
  }

  /**
   * Add a member, and return the entries that need not wait any longer. The content of the member belongs to the entry
   * without `hardLinkTo`. If all entries are hard links, nothing needs the content.
   *
   * @throws UmlcowError BAD_ARCHIVE when names of one file differ in what they are
   */
  add(member: CpioMember): ManifestEntry[] {
    const { entry, linkCount, linkKey } = member
    if (linkCount <= 1) return [entry]
    const group = this.groups.get(linkKey) ?? { waiting: [], first: null, left: linkCount }
    this.groups.set(linkKey, group)
    const known = group.first ?? group.waiting[0]
    if (known !== undefined && !isSameFile(entry, known)) {
      throw this.error('names of one file have other types or contents')
    }
    group.left--
    if (group.left <= 0) this.groups.delete(linkKey)
    if (group.first !== null) return [furtherName(entry, group.first)]
    group.waiting.push(entry)
    const isComplete = entry.type !== 'file' || entry.size > 0 || group.left <= 0
    return isComplete ? release(group) : []
  }

  /** Whether names of a file with content may be waiting for it. */
  get isWaiting(): boolean {
    for (const { waiting } of this.groups.values()) if (waiting.length > 0) return true
    return false
  }

  /** Release the names that still wait for content: they belong to empty files. */
  *rest(): Generator<ManifestEntry> {
    for (const group of this.groups.values()) yield* release(group)
  }
}

/** True unless types or sizes differ. A name without content may share the content of another name. */
function isSameFile(entry: ManifestEntry, known: Pick<ManifestEntry, 'type' | 'size'>): boolean {
  return entry.type === known.type && (entry.size === 0 || known.size === 0 || entry.size === known.size)
}

/** Release the waiting names. The last one came with the content. */
function release(group: Group): ManifestEntry[] {
  const [first, ...further] = group.waiting
  if (first === undefined) return []
  const size = group.waiting.at(-1)!.size
  group.first = { path: first.path, type: first.type, size }
  group.waiting = []
  return [{ ...first, size }, ...further.map((entry) => furtherName(entry, { path: first.path, size }))]
}

function furtherName(entry: ManifestEntry, first: { path: Uint8Array; size: number }): ManifestEntry {
  return { ...entry, hardLinkTo: first.path, size: entry.type === 'file' ? first.size : 0 }
}
