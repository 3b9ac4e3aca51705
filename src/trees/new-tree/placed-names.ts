import { NameTable } from '../../bytes/name-table.js'
import type { EntryType, ManifestEntry } from '../../formats/manifest/entry.js'
import { microsecondsOf } from '../../formats/manifest/time.js'

/** A directory that the manifest has not listed so far, but whose content it has. */
const missingTag = 2
/** Added to the place of the type in `nodeTypes`. The value is the number of names of the file. */
const nodeTag = 0x10
/** A directory. Its mode is added to the tag; the value is its time. */
const directoryTag = 0x1000

const nodeTypes: readonly EntryType[] = ['file', 'symlink', 'character', 'block', 'fifo', 'socket']

/** Mode and time of a directory of the manifest. */
export interface DirectoryFacts {
  readonly mode: number
  readonly mtimeNs: bigint
}

/** A file, and how many names it has. */
export interface NameCount {
  readonly path: Buffer
  readonly count: number
}

/** The names of a new tree. It remembers each by a digest, in a few dozen bytes. */
export class PlacedNames {
  /** The file with the most names. */
  mostNames: NameCount | null = null
  private readonly table = new NameTable()

  clear(): void {
    this.table.clear()
    this.mostNames = null
  }

  /** Get the type of a name; `missing` for a directory that the manifest has not listed, null for no name. */
  typeOf(path: Buffer): EntryType | 'missing' | null {
    const tag = this.table.get(path)?.tag
    if (tag === undefined) return null
    if (tag === missingTag) return 'missing'
    return tag >= directoryTag ? 'directory' : nodeTypes[tag - nodeTag]!
  }

  /** Get the facts of a directory; null if the manifest has not listed it. */
  directory(path: Buffer): DirectoryFacts | null {
    const found = this.table.get(path)
    if (found === null || found.tag < directoryTag) return null
    return { mode: found.tag - directoryTag, mtimeNs: BigInt(found.value) * 1000n }
  }

  add(path: Buffer, { type, mode, mtimeNs }: ManifestEntry): void {
    if (type === 'directory') this.table.set(path, directoryTag + mode, Number(microsecondsOf(mtimeNs)))
    else this.table.set(path, nodeTag + nodeTypes.indexOf(type), 1)
  }

  addMissing(path: Buffer): void {
    this.table.set(path, missingTag, 0)
  }

  /** Count a further name of a file. */
  countName(first: Buffer): void {
    const found = this.table.get(first)
    if (found === null) return
    const count = found.value + 1
    this.table.set(first, found.tag, count)
    if (count > (this.mostNames?.count ?? 1)) this.mostNames = { path: first, count }
  }
}
