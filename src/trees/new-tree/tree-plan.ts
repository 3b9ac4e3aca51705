import { UmlcowError } from '../../errors.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { EntryType, ManifestEntry } from '../../formats/manifest/entry.js'
import { checkEntry } from '../../formats/manifest/validate.js'
import { asBuffer } from '../../machine/path-bytes.js'
import { longestPath } from '../tree-path.js'
import { type DirectoryFacts, type NameCount, PlacedNames } from './placed-names.js'
import { RenamedNames } from './renamed-names.js'

/** The place of an entry in the new tree. */
export interface Placement {
  /** The path in the new tree. */
  readonly path: Buffer
  /** For a further name of a file: the path of the first name. */
  readonly first: Buffer | null
  /** Directories to make before the entry, in this order. The manifest has not listed them. */
  readonly missing: readonly Buffer[]
  /** The entry is a directory that exists already. */
  readonly isMade: boolean
  /** An earlier entry has this name, and the new one replaces it. */
  readonly isAgain: boolean
}

/** What to do when a name comes twice: take the later entry, or refuse the manifest. */
export const duplicateRules = ['last', 'refuse'] as const

export interface PlanOptions {
  /** Finds the path in the new tree. */
  readonly rename?: ((path: Buffer, isDirectory: boolean) => Buffer) | undefined
  /** The default is `last`. */
  readonly duplicates?: 'last' | 'refuse' | undefined
}

/** The facts of a directory that the manifest does not list. Root owns it, as most directories. */
export const missingDirectory = { type: 'directory', mode: 0o755, uid: 0, gid: 0, major: 0, minor: 0 } as const

/** A warning names at most this many. */
const mostNamed = 5

/**
 * Finds a place in the new tree for each entry of a manifest. It refuses a name that comes twice with two types, and a
 * name below a file or link. So every entry lies in directories that the manifest itself made.
 */
export class TreePlan {
  /** Number of names so far. */
  entries = 0
  /** Number of directories that the manifest has not listed so far. */
  missing = 0
  private readonly names = new PlacedNames()
  private readonly renamed = new RenamedNames()
  private readonly name: string
  private readonly options: PlanOptions
  private lastParent: Buffer | null = null
  private readonly named = new Set<string>()

  /** @param name  name of the input, for messages */
  constructor(name: string, options: PlanOptions = {}) {
    this.name = name
    this.options = options
    this.reset()
  }

  /** The file with the most names so far; null if no file has several. */
  get mostNames(): NameCount | null {
    return this.names.mostNames
  }

  /** Forget all entries, to read the manifest again. A second plan would need as much memory again. */
  reset(): void {
    this.entries = 0
    this.missing = 0
    this.lastParent = null
    this.named.clear()
    this.names.clear()
    this.renamed.clear()
    this.addMissing(Buffer.alloc(0))
  }

  /** Place an entry. @throws UmlcowError BAD_ARCHIVE when it has no place, ENTRY_UNFIT when it is malformed */
  place(entry: ManifestEntry): Placement {
    checkEntry(entry)
    const path = this.renamedPath(entry)
    // No system takes such a path, and its thousands of directories would take many seconds.
    if (path.length > longestPath) {
      this.entries++
      return { path, first: null, missing: [], isMade: false, isAgain: false }
    }
    const before = this.names.typeOf(path)
    const isAgain = before !== null && before !== 'missing'
    if (before !== null) this.refuseClash(entry, path, before)
    const missing = path.length === 0 ? [] : this.parentsOf(path)
    const first = entry.hardLinkTo === null ? null : this.firstName(path, asBuffer(entry.hardLinkTo))
    // The file of a name that is replaced may keep other names, so this name is not counted twice.
    if (first !== null && !isAgain) this.names.countName(first)
    if (before === 'missing') this.forgetMissing(path)
    if (!isAgain) this.entries++
    this.names.add(path, entry)
    return { path, first, missing, isMade: before !== null && entry.type === 'directory', isAgain }
  }

  /** Get the facts of a directory of the new tree. @returns null if the manifest does not list it */
  directory(path: Buffer): DirectoryFacts | null {
    return this.names.directory(path)
  }

  /** Write the warning about directories that the manifest does not list. */
  warnings(): string[] {
    if (this.missing === 0) return []
    const named = [...this.named].slice(0, mostNamed)
    const shown = named.map((path) => shownPath(Buffer.from(path, 'latin1'))).join(', ')
    const more = this.missing > named.length ? ` and ${this.missing - named.length} more` : ''
    return [`directories that ${this.name} does not list get mode 0755 and owner root: ${shown}${more}`]
  }

  private renamedPath({ path, type }: ManifestEntry): Buffer {
    const own = asBuffer(path)
    const { rename } = this.options
    if (rename === undefined) return own
    const renamed = rename(own, type === 'directory')
    const clash = this.renamed.clash(own, renamed, (taken) => this.names.typeOf(taken) !== null)
    if (clash === null) return renamed
    throw this.bad(clash, 'the suffix for directories called "metadata" gives two entries this name')
  }

  /** Refuse a name that comes with two types, or a second time where that is not wanted. */
  private refuseClash({ type }: ManifestEntry, path: Buffer, before: EntryType | 'missing'): void {
    const was = before === 'missing' ? 'directory' : before
    if (was !== type) throw this.bad(path, `is a ${was} in one entry, and a ${type} in another`)
    if (before === 'missing' || this.options.duplicates !== 'refuse') return
    throw this.bad(path, 'occurs twice', 'with --duplicates=last, the later entry counts')
  }

  /** Find the directories above a path that do not exist yet. */
  private parentsOf(path: Buffer): Buffer[] {
    const parent = parentOf(path)
    if (this.lastParent?.equals(parent)) return []
    const missing: Buffer[] = []
    for (let above = parent; ; above = parentOf(above)) {
      const type = this.names.typeOf(above)
      if (type === 'directory' || type === 'missing') break
      if (type !== null) throw this.bad(above, `is a ${type} in one entry, and a directory in another`)
      missing.unshift(above)
    }
    for (const one of missing) this.addMissing(one)
    this.lastParent = parent
    return missing
  }

  private firstName(path: Buffer, hardLinkTo: Buffer): Buffer {
    const first = this.options.rename?.(hardLinkTo, false) ?? hardLinkTo
    // The plan does not remember a path that is too long. The sink refuses both names later.
    if (first.length > longestPath) return first
    const type = this.names.typeOf(first)
    if (type !== null && type !== 'missing' && type !== 'directory') return first
    throw this.bad(path, `is a hard link to ${shownPath(first)}, which is missing or a directory`)
  }

  private addMissing(path: Buffer): void {
    this.names.addMissing(path)
    this.missing++
    if (this.named.size < mostNamed) this.named.add(path.toString('latin1'))
  }

  private forgetMissing(path: Buffer): void {
    this.missing--
    this.named.delete(path.toString('latin1'))
  }

  private bad(path: Buffer, what: string, hint?: string): UmlcowError {
    const shown = shownPath(path)
    return new UmlcowError('BAD_ARCHIVE', `${this.name}: ${shown}: ${what}`, { details: { path: shown }, hint })
  }
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(0, path.lastIndexOf(0x2f)))
}
