import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { asBuffer, joinPath } from '../../../machine/path-bytes.js'
import type { Owner } from '../../host/tree-facts.js'
import type { NewTree } from '../../new-tree/new-tree.js'
import { copyContent, makeFile, placeFifo, type TreeBuilder } from '../../new-tree/tree-builder.js'
import { inTree } from '../../tree-path.js'
import { dataMode, isReplaced, type NodeFacts } from './entry.js'
import { nodeFactsOf } from './fit.js'
import { entryPath, type HumfsPaths, humfsPaths } from './paths.js'
import { makeMirrors, writeEntry } from './shadow-entry.js'

const nothing = Buffer.alloc(0)

/** Makes data and metadata of each name, as `humfsify` leaves them. */
export class HumfsBuilder implements TreeBuilder {
  readonly paths: HumfsPaths
  private readonly tree: NewTree
  private readonly owner: Owner | null

  /** @param owner  the owner of all files; null if it is the user who runs umlcow */
  constructor(tree: NewTree, owner: Owner | null) {
    this.tree = tree
    this.owner = owner
    this.paths = humfsPaths(tree.top)
  }

  makeDirectory(path: Buffer, entry: ManifestEntry | null): void {
    const { writer } = this.tree
    const data = inTree(this.paths.data, path)
    writer.makeDirectory(data, entry === null ? 0o755 : dataMode(entry, false))
    this.give(data)
    makeMirrors(writer, this.paths, path, this.owner)
    if (entry !== null) this.record(path, nodeFactsOf(entry))
  }

  completeDirectory(path: Buffer, entry: ManifestEntry): void {
    this.tree.writer.setMode(inTree(this.paths.data, path), dataMode(entry, false))
    this.record(path, nodeFactsOf(entry))
  }

  /** Makes a hard link. The entries become one file too, so that a guest sees a change under all names. */
  link(path: Buffer, first: Buffer): void {
    const { writer } = this.tree
    writer.link(inTree(this.paths.data, first), inTree(this.paths.data, path))
    writer.link(entryPath(this.paths, first, false), entryPath(this.paths, path, false))
  }

  makeNode(path: Buffer, item: ManifestItem): Promise<void> | void {
    const making = this.makeData(path, item)
    if (making !== undefined) return making.then(() => this.recordEntry(path, item.entry))
    this.recordEntry(path, item.entry)
  }

  discard(path: Buffer, isDirectory: boolean): void {
    const { writer } = this.tree
    writer.unlink(entryPath(this.paths, path, isDirectory))
    if (!isDirectory) writer.unlink(joinPath(this.paths.data, path))
  }

  private makeData(path: Buffer, item: ManifestItem): Promise<void> | void {
    const { entry } = item
    const data = joinPath(this.paths.data, path)
    const terms = { mode: dataMode(entry, false), owner: this.owner }
    if (entry.type === 'file') return copyContent(this.tree, data, item, terms)
    if (entry.type === 'symlink') return this.makeLink(data, entry)
    if (isReplaced(entry, false)) return makeFile(this.tree, data, nothing, entry.mtimeNs, terms)
    return placeFifo(this.tree, data, entry.mtimeNs, terms)
  }

  private recordEntry(path: Buffer, entry: ManifestEntry): void {
    this.record(path, nodeFactsOf(entry))
  }

  /** Write the entry of a name. */
  record(path: Buffer, facts: NodeFacts): void {
    const place = entryPath(this.paths, path, facts.type === 'directory')
    writeEntry(this.tree.writer, place, facts, false, this.owner, this.tree.umask)
  }

  /** Give a new file to the owner of the tree. */
  give(path: Buffer): void {
    if (this.owner !== null) this.tree.writer.setOwner(path, this.owner)
  }

  private makeLink(data: Buffer, entry: ManifestEntry): void {
    this.tree.writer.makeLink(asBuffer(entry.linkTarget!), data)
    this.give(data)
    this.tree.writer.setMtime(data, entry.mtimeNs)
  }
}
