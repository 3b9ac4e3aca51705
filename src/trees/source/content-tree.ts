import { hasCode, UmlcowError } from '../../errors.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry, ManifestItem } from '../../formats/manifest/entry.js'
import { isDevice } from '../../formats/manifest/mode.js'
import type { HostPath } from '../../machine/host-files.js'
import { pathBytes } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../host/tree-facts.js'
import { localTreeReader, type TreeReader } from '../host/tree-reader.js'
import { LinkTable } from '../link-table.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'

const slash = 0x2f

/** A name of a tree with the host's facts. */
export interface TreeName extends ManifestItem {
  readonly facts: TreeFacts
}

/** The tree with the content of a manifest. It follows no links in the tree, so it reads nothing outside of it. */
export class ContentTree {
  private readonly directory: Buffer
  private readonly top: Buffer
  private readonly reader: TreeReader
  /** The last directory without links that `find` has looked into. */
  private lastParent: Buffer = Buffer.alloc(0)

  /** @throws UmlcowError with the system's code, ENOTDIR when it is not a directory */
  constructor(directory: HostPath, reader: TreeReader = localTreeReader) {
    this.reader = reader
    this.top = reader.realTop(directory)
    this.directory = pathBytes(this.top)
    // With the slash at its end, this fails for anything but a directory.
    reader.lstat(this.directory)
  }

  /** Get a file by a path without links. @throws UmlcowError UNSAFE_PATH for a link, ENTRY_UNFIT when not a file */
  file(path: Buffer): { readonly facts: TreeFacts; readonly content: AsyncIterable<Uint8Array> } {
    if (this.isBehindLink(path)) throw fault('UNSAFE_PATH', path, 'lies behind a link of the tree')
    const facts = this.reader.lstatOrNull(inTree(this.directory, path))
    if (facts?.type !== 'file')
      throw fault('ENTRY_UNFIT', path, `is ${facts === null ? 'missing' : 'not a file'} in the tree`)
    return { facts, content: this.contentOf(path, facts) }
  }

  /** Look up a path. @returns null when the tree has no such name, or it lies behind a link of the tree */
  find(path: Buffer): TreeFacts | null {
    try {
      const parent = path.subarray(0, Math.max(0, path.lastIndexOf(slash)))
      if (!parent.equals(this.lastParent)) {
        if (this.isBehindLink(path)) return null
        this.lastParent = Buffer.from(parent)
      }
      return this.reader.lstatOrNull(inTree(this.directory, path))
    } catch (error) {
      if (hasCode(error, 'ENAMETOOLONG')) return null
      throw error
    }
  }

  private isBehindLink(path: Buffer): boolean {
    for (let end = path.indexOf(slash); end >= 0; end = path.indexOf(slash, end + 1)) {
      const type = this.reader.lstatOrNull(inTree(this.directory, path.subarray(0, end)))?.type
      if (type === 'symlink') return true
    }
    return false
  }

  /** Whether a directory is in the tree, or is its top. A new tree there would change what is being read. */
  holds(directory: HostPath): boolean {
    const place = this.reader.realTop(directory)
    return place.subarray(0, this.top.length).equals(this.top)
  }

  /** List all names, a directory before its content. Further names of a file are hard links. */
  async *names(): AsyncGenerator<TreeName> {
    const links = new LinkTable()
    for (const { path, facts, isLeaving } of walkTree(this.reader, this.directory)) {
      if (isLeaving) continue
      const hardLinkTo = links.further(facts, () => path)
      const entry = this.entry(path, facts, hardLinkTo)
      const hasContent = facts.type === 'file' && hardLinkTo === null
      yield { facts, entry, content: hasContent ? this.contentOf(path, facts) : null }
    }
  }

  /** Describe a name as the host shows it. @param hardLinkTo  the first name of its file; null if this is the first */
  entry(path: Buffer, facts: TreeFacts, hardLinkTo: Buffer | null = null): ManifestEntry {
    const linkTarget = facts.type === 'symlink' ? this.reader.readLink(inTree(this.directory, path)) : null
    return entryOf(path, facts, hardLinkTo, linkTarget)
  }

  private contentOf(path: Buffer, facts: TreeFacts): AsyncIterable<Uint8Array> {
    return this.reader.content(inTree(this.directory, path), facts, this.top)
  }
}

function entryOf(path: Buffer, facts: TreeFacts, hardLinkTo: Buffer | null, linkTarget: Buffer | null): ManifestEntry {
  const { type, mode, uid, gid, major, minor, size, nlink } = facts
  return {
    path,
    type,
    mode,
    uid,
    gid,
    device: isDevice(type) ? { major, minor } : null,
    linkTarget,
    hardLinkTo,
    size: type === 'file' ? size : 0,
    mtimeNs: BigInt(Math.round(facts.mtime * 1e6)) * 1000n,
    xattrs: null,
    linkCount: nlink,
  }
}

function fault(code: 'UNSAFE_PATH' | 'ENTRY_UNFIT', path: Buffer, what: string): UmlcowError {
  return new UmlcowError(code, `${shownPath(path)}: ${what}`, { details: { path: shownPath(path) } })
}
