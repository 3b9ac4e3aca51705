import { NameTable } from '../../bytes/name-table.js'
import { UmlcowError } from '../../errors.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../formats/manifest/entry.js'
import { microsecondsOf } from '../../formats/manifest/time.js'
import { checkEntry } from '../../formats/manifest/validate.js'
import { asBuffer } from '../../machine/path-bytes.js'
import { longestPath } from '../tree-path.js'

const fileTag = 1
/** A directory that the manifest has not listed so far, but whose content it has. */
const missingTag = 2
/** A directory. Its mode is added to the tag; the value is its time. */
const directoryTag = 0x1000

/** The place of an entry in the new tree. */
export interface Placement {
  /** The path in the new tree. */
  readonly path: Buffer
  /** For a further name of a file: the path of the first name. */
  readonly first: Buffer | null
  /** Directories to make before the entry, in this order. The manifest has not listed them. */
  readonly missing: readonly Buffer[]
  /** The entry is a directory that exists already, because its content came first. */
  readonly isMade: boolean
}

/** Mode and time of a directory of the manifest. */
export interface DirectoryFacts {
  readonly mode: number
  readonly mtimeNs: bigint
}

/** The facts of a directory that the manifest does not list. Root owns it, as most directories. */
export const missingDirectory = { type: 'directory', mode: 0o755, uid: 0, gid: 0, major: 0, minor: 0 } as const

/** A warning names at most this many. */
const mostNamed = 5

/**
 * Finds a place in the new tree for each entry of a manifest. It refuses a name that comes twice, and a name below a
 * file or link. So every entry lies in directories that the manifest itself made. It remembers each name by a digest,
 * in a few dozen bytes.
 */
export class TreePlan {
  /** Number of entries so far. */
  entries = 0
  /** Number of directories that the manifest has not listed so far. */
  missing = 0
  private readonly names = new NameTable()
  private readonly name: string
  private readonly rename: (path: Buffer, isDirectory: boolean) => Buffer
  private lastParent: Buffer | null = null
  private readonly named = new Set<string>()

  /**
   * @param name    name of the input, for messages
   * @param rename  finds the path in the new tree
   */
  constructor(name: string, rename: (path: Buffer, isDirectory: boolean) => Buffer = (path) => path) {
    this.name = name
    this.rename = rename
    this.reset()
  }

  /** Forget all entries, to read the manifest again. A second plan would need as much memory again. */
  reset(): void {
    this.entries = 0
    this.missing = 0
    this.lastParent = null
    this.named.clear()
    this.names.clear()
    this.addMissing(Buffer.alloc(0))
  }

  /** Place an entry. @throws UmlcowError BAD_ARCHIVE when it has no place, ENTRY_UNFIT when it is malformed */
  place(entry: ManifestEntry): Placement {
    checkEntry(entry)
    this.entries++
    const isDirectory = entry.type === 'directory'
    const path = this.rename(asBuffer(entry.path), isDirectory)
    // No system takes such a path, and its thousands of directories would take many seconds.
    if (path.length > longestPath) return { path, first: null, missing: [], isMade: false }
    const found = this.names.get(path)
    const isMade = isDirectory && found?.tag === missingTag
    if (found !== null && !isMade) throw this.bad(path, 'occurs twice')
    const missing = path.length === 0 ? [] : this.parentsOf(path)
    const first = entry.hardLinkTo === null ? null : this.firstName(path, asBuffer(entry.hardLinkTo))
    if (isMade) this.forgetMissing(path)
    if (isDirectory) this.names.set(path, directoryTag + entry.mode, Number(microsecondsOf(entry.mtimeNs)))
    else this.names.set(path, fileTag, 0)
    return { path, first, missing, isMade }
  }

  /** Get the facts of a directory of the new tree. @returns null if the manifest does not list it */
  directory(path: Buffer): DirectoryFacts | null {
    const found = this.names.get(path)
    if (found === null || found.tag < directoryTag) return null
    return { mode: found.tag - directoryTag, mtimeNs: BigInt(found.value) * 1000n }
  }

  /** Write the warning about directories that the manifest does not list. */
  warnings(): string[] {
    if (this.missing === 0) return []
    const named = [...this.named].slice(0, mostNamed)
    const shown = named.map((path) => shownPath(Buffer.from(path, 'latin1'))).join(', ')
    const more = this.missing > named.length ? ` and ${this.missing - named.length} more` : ''
    return [`directories that ${this.name} does not list get mode 0755 and owner root: ${shown}${more}`]
  }

  /** Find the directories above a path that do not exist yet. */
  private parentsOf(path: Buffer): Buffer[] {
    const parent = parentOf(path)
    if (this.lastParent?.equals(parent)) return []
    const missing: Buffer[] = []
    for (let above = parent; ; above = parentOf(above)) {
      const tag = this.names.get(above)?.tag
      if (tag === fileTag) throw this.bad(above, 'is a directory in one entry, but not in another')
      if (tag !== undefined) break
      missing.unshift(above)
    }
    for (const one of missing) this.addMissing(one)
    this.lastParent = parent
    return missing
  }

  private firstName(path: Buffer, hardLinkTo: Buffer): Buffer {
    const first = this.rename(hardLinkTo, false)
    // The plan does not remember a path that is too long. The sink refuses both names later.
    if (first.length > longestPath || this.names.get(first)?.tag === fileTag) return first
    throw this.bad(path, 'is a hard link to a name that is missing or a directory')
  }

  private addMissing(path: Buffer): void {
    this.names.set(path, missingTag, 0)
    this.missing++
    if (this.named.size < mostNamed) this.named.add(path.toString('latin1'))
  }

  private forgetMissing(path: Buffer): void {
    this.missing--
    this.named.delete(path.toString('latin1'))
  }

  private bad(path: Buffer, what: string): UmlcowError {
    const shown = shownPath(path)
    return new UmlcowError('BAD_ARCHIVE', `${this.name}: ${shown}: ${what}`, { details: { path: shown } })
  }
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(0, path.lastIndexOf(0x2f)))
}
