import { longestMetadataFile, type ParsedMetadata, parseMetadata } from '../../../formats/humfs/metadata.js'
import type { TreeReader } from '../../host/tree-reader.js'
import { inTree } from '../../tree-path.js'
import { readEntry } from './inspect-tree.js'
import { entryPath, type HumfsPaths } from './paths.js'

/**
 * Reads the entries of the files of one directory after another. The list of a directory tells which entries are
 * regular files, so it need not look at each before it opens it. Anything unusual goes to `readEntry`, which does.
 */
export class EntryReader {
  private readonly reader: TreeReader
  private readonly paths: HumfsPaths
  /** Names in the present directory of metadata that are not regular files; null if it cannot be listed. */
  private others: Set<string> | null = null

  constructor(reader: TreeReader, paths: HumfsPaths) {
    this.reader = reader
    this.paths = paths
  }

  /** Begin the files of a directory of data. */
  enter(directory: Buffer): void {
    const others = new Set<string>()
    try {
      for (const { name, isFile } of this.reader.children(inTree(this.paths.fileMetadata, directory))) {
        if (!isFile) others.add(name.toString('latin1'))
      }
      this.others = others
    } catch {
      // The mirror is missing or unreadable, so its entries are too, and `readEntry` reports each.
      this.others = null
    }
  }

  /** Read the entry of a name that is not a directory. @param name  in the directory that was entered last */
  read(path: Buffer, name: Buffer): ReturnType<typeof readEntry> {
    const place = entryPath(this.paths, path, false)
    const entry = this.isRegular(name) ? this.readQuickly(place) : null
    return entry === null ? readEntry(this.reader, place) : { entry, entryFacts: null, failure: null }
  }

  private isRegular(name: Buffer): boolean {
    if (this.others === null) return false
    return this.others.size === 0 || !this.others.has(name.toString('latin1'))
  }

  private readQuickly(place: Buffer): ParsedMetadata | null {
    try {
      const line = this.reader.readLine(place, longestMetadataFile + 1)
      return line === null ? null : parseMetadata(line)
    } catch {
      return null // The second try reports why.
    }
  }
}
