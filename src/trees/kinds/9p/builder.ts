import { hasCode } from '../../../errors.js'
import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { serializeVirtfs } from '../../../formats/virtfs/index.js'
import { baseName, directoryName, joinPath } from '../../../machine/path-bytes.js'
import type { NewTree } from '../../new-tree/new-tree.js'
import { copyContent, makeFile, type TreeBuilder } from '../../new-tree/tree-builder.js'
import { missingDirectory } from '../../new-tree/tree-plan.js'
import { inTree } from '../../tree-path.js'

// A tree of QEMU's mapped-file. DIR/.virtfs_metadata/NAME holds the attributes of DIR/NAME, and .virtfs_metadata_root
// in the top holds those of the top. Directories have mode 0700. Everything else is a regular file of mode 0600: nodes
// are empty, and links hold their target.  Source: QEMU hw/9pfs/9p-local.c
const metadataName = '.virtfs_metadata'
const topMetadataName = '.virtfs_metadata_root'
const directoryMode = 0o700
const fileMode = 0o600

/** Whether QEMU reserves the last name of a path. */
export function isReservedName(path: Buffer): boolean {
  const name = baseName(path).toString('latin1')
  return name === metadataName || name === topMetadataName
}

/** Make the entry of a directory that the manifest does not list. */
export function missingEntry(path: Buffer): ManifestEntry {
  const { type, mode, uid, gid } = missingDirectory
  return {
    path,
    type,
    mode,
    uid,
    gid,
    device: null,
    linkTarget: null,
    hardLinkTo: null,
    size: 0,
    mtimeNs: 0n,
    xattrs: null,
  }
}

/** Makes each name with its attributes, as QEMU does. */
export class VirtfsBuilder implements TreeBuilder {
  private readonly tree: NewTree
  /** The last directory of attributes: consecutive names mostly share it. */
  private lastMetadata: Buffer | null = null

  constructor(tree: NewTree) {
    this.tree = tree
  }

  makeDirectory(path: Buffer, entry: ManifestEntry | null): void {
    this.tree.writer.makeDirectory(this.placeOf(path), directoryMode)
    if (entry !== null) this.record(path, entry)
  }

  completeDirectory(path: Buffer, entry: ManifestEntry): void {
    this.record(path, entry)
  }

  /** Makes a hard link. The attributes become one file too, as QEMU does it. */
  link(path: Buffer, first: Buffer): void {
    this.tree.writer.link(this.placeOf(first), this.placeOf(path))
    this.tree.writer.link(this.attributesOf(first), this.attributesOf(path))
  }

  async makeNode(path: Buffer, item: ManifestItem): Promise<void> {
    const { entry } = item
    const terms = { mode: fileMode, owner: null }
    const place = this.placeOf(path)
    if (entry.type === 'file') await copyContent(this.tree, place, item, terms)
    else makeFile(this.tree, place, entry.linkTarget ?? Buffer.alloc(0), entry.mtimeNs, terms)
    this.record(path, entry)
  }

  discard(path: Buffer, isDirectory: boolean): void {
    const { writer } = this.tree
    writer.unlink(this.attributesOf(path))
    if (!isDirectory) writer.unlink(this.placeOf(path))
  }

  /** Write the attributes of a name. */
  record(path: Buffer, entry: ManifestEntry): void {
    this.tree.writer.writeNew(this.attributesOf(path), serializeVirtfs(entry), fileMode, null)
  }

  private placeOf(path: Buffer): Buffer {
    return inTree(this.tree.top, path)
  }

  private attributesOf(path: Buffer): Buffer {
    if (path.length === 0) return joinPath(this.tree.top, topMetadataName)
    const metadata = joinPath(directoryName(this.placeOf(path)), metadataName)
    if (!this.lastMetadata?.equals(metadata)) this.makeMetadata(metadata)
    this.lastMetadata = metadata
    return joinPath(metadata, baseName(path))
  }

  private makeMetadata(metadata: Buffer): void {
    try {
      this.tree.writer.makeDirectory(metadata, directoryMode)
    } catch (error) {
      // An earlier name has made it.
      if (!hasCode(error, 'EEXIST')) throw error
    }
  }
}
