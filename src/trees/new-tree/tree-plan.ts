import { NameTable } from '../../bytes/name-table.js'
import { UmlcowError } from '../../errors.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../formats/manifest/entry.js'
import { microsecondsOf } from '../../formats/manifest/time.js'
import { checkEntry } from '../../formats/manifest/validate.js'
import { asBuffer } from '../../machine/path-bytes.js'
import { longestPath } from '../tree-path.js'

const fileTag = 1
/** A directory that stands nowhere in the manifest so far, and something in it does. */
const missingTag = 2
/** A directory: the mode is added to the tag, the value is its time. */
const directoryTag = 0x1000

/** Where an entry goes. */
export interface Placement {
  /** What it is called in the new tree. */
  readonly path: Buffer
  /** Of a further name: what the first one is called. */
  readonly first: Buffer | null
  /** Directories that have to be made before, in this order: nothing told of them. */
  readonly missing: readonly Buffer[]
  /** A directory that was made because something in it came first. */
  readonly isMade: boolean
}

export interface DirectoryFacts {
  readonly mode: number
  readonly mtimeNs: bigint
}

/** A directory that an archive does not tell of is made like this: root's, as most are. */
export const missingDirectory = { type: 'directory', mode: 0o755, uid: 0, gid: 0, major: 0, minor: 0 } as const

/** So many are named. */
const mostNamed = 5

/**
 * What of a manifest has come so far, so that each entry gets a place of its own in the new tree, in directories that
 * the manifest itself has made: no name is made twice, and none below something that is no directory. It remembers names
 * by their digests, a few dozen bytes each.
 */
export class TreePlan {
  /** That have come. */
  entries = 0
  /** Directories that nothing has told of. */
  missing = 0
  private readonly names = new NameTable()
  private readonly name: string
  private readonly rename: (path: Buffer, isDirectory: boolean) => Buffer
  private lastParent: Buffer | null = null
  private readonly named = new Set<string>()

  /**
   * @param name    of the input, for messages
   * @param rename  what a path is called in the new tree
   */
  constructor(name: string, rename: (path: Buffer, isDirectory: boolean) => Buffer = (path) => path) {
    this.name = name
    this.rename = rename
    this.reset()
  }

  /** Forget what has come, for the same manifest from its start: a second plan would need as much memory again. */
  reset(): void {
    this.entries = 0
    this.missing = 0
    this.lastParent = null
    this.named.clear()
    this.names.clear()
    this.addMissing(Buffer.alloc(0))
  }

  /** @throws UmlcowError BAD_ARCHIVE when there is no place for it, ENTRY_UNFIT when it is none */
  place(entry: ManifestEntry): Placement {
    checkEntry(entry)
    this.entries++
    const isDirectory = entry.type === 'directory'
    const path = this.rename(asBuffer(entry.path), isDirectory)
    // No system has a place for it, and the thousands of directories above it would take many seconds.
    if (path.length > longestPath) return { path, first: null, missing: [], isMade: false }
    const found = this.names.get(path)
    const isMade = isDirectory && found?.tag === missingTag
    if (found !== null && !isMade) throw this.bad(path, 'stands there twice')
    const missing = path.length === 0 ? [] : this.parentsOf(path)
    const first = entry.hardLinkTo === null ? null : this.firstName(path, asBuffer(entry.hardLinkTo))
    if (isMade) this.forgetMissing(path)
    if (isDirectory) this.names.set(path, directoryTag + entry.mode, Number(microsecondsOf(entry.mtimeNs)))
    else this.names.set(path, fileTag, 0)
    return { path, first, missing, isMade }
  }

  /** Of a directory of the new tree; null when the manifest does not tell of it. */
  directory(path: Buffer): DirectoryFacts | null {
    const found = this.names.get(path)
    if (found === null || found.tag < directoryTag) return null
    return { mode: found.tag - directoryTag, mtimeNs: BigInt(found.value) * 1000n }
  }

  /** What is to be said about directories that were missing. */
  warnings(): string[] {
    if (this.missing === 0) return []
    const named = [...this.named].slice(0, mostNamed)
    const shown = named.map((path) => shownPath(Buffer.from(path, 'latin1'))).join(', ')
    const more = this.missing > named.length ? ` and ${this.missing - named.length} more` : ''
    return [`directories that ${this.name} does not tell of are made with mode 0755, of root: ${shown}${more}`]
  }

  /** The directories above that are not there yet. */
  private parentsOf(path: Buffer): Buffer[] {
    const parent = parentOf(path)
    if (this.lastParent?.equals(parent)) return []
    const missing: Buffer[] = []
    for (let above = parent; ; above = parentOf(above)) {
      const tag = this.names.get(above)?.tag
      if (tag === fileTag) throw this.bad(above, 'is a directory in one place and none in another')
      if (tag !== undefined) break
      missing.unshift(above)
    }
    for (const one of missing) this.addMissing(one)
    this.lastParent = parent
    return missing
  }

  private firstName(path: Buffer, hardLinkTo: Buffer): Buffer {
    const first = this.rename(hardLinkTo, false)
    // A place that is too long is remembered nowhere; who makes the names refuses both.
    if (first.length > longestPath || this.names.get(first)?.tag === fileTag) return first
    throw this.bad(path, 'is a further name of what is not there, or is a directory')
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
