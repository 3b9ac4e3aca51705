import { latin1Text } from '../../../bytes/fast.js'
import type { ExtendedAttribute, ManifestEntry } from '../../../formats/manifest/index.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import { type AttributeSetting, attributeLines } from '../../../machine/programs/setfattr.js'
import { capability } from '../../attributes/attribute-losses.js'
import type { NewTree } from '../../new-tree/new-tree.js'
import { inTree } from '../../tree-path.js'

const pieceSize = 64 * 1024
const ownerMayWrite = 0o200

/** What root sets besides the attributes of users. The host sets all others, such as labels of SELinux, itself. */
const rootStarts: readonly string[] = ['trusted.', 'system.posix_acl_', capability]

/** Whether a user can set an attribute. The kernel gives none of users to links and special files. */
export function canSet({ type }: ManifestEntry, { name }: ExtendedAttribute, isRoot: boolean): boolean {
  const text = latin1Text(name)
  if (text.startsWith('user.')) return type === 'file' || type === 'directory'
  return isRoot && rootStarts.some((start) => text.startsWith(start))
}

/** Collects the extended attributes of new files, and sets them when all files are made. */
export class NewAttributes {
  private readonly tree: NewTree
  private readonly isRoot: boolean
  private lines: Buffer[] = []
  private waiting = 0
  private isEmpty = true
  /** Files without write permission: an ordinary user must set the attributes first. */
  private readonly locked: { readonly path: Buffer; readonly mode: number }[] = []

  constructor(tree: NewTree, isRoot: boolean) {
    this.tree = tree
    this.isRoot = isRoot
  }

  /** Note the attributes of a file. @returns  the entry that the new file gets first */
  add(entry: ManifestEntry): ManifestEntry {
    const taken = (entry.xattrs ?? []).filter((one) => canSet(entry, one, this.isRoot))
    if (taken.length === 0 || entry.hardLinkTo !== null) return entry
    const line = attributeLines(entry.path, taken)
    this.lines.push(line)
    this.waiting += line.length
    if (this.waiting > pieceSize) this.flush()
    if (this.isRoot || entry.type !== 'file' || (entry.mode & ownerMayWrite) !== 0) return entry
    this.locked.push({ path: asBuffer(entry.path), mode: entry.mode })
    return { ...entry, mode: entry.mode | ownerMayWrite }
  }

  /** Set them. */
  async set(): Promise<AttributeSetting> {
    const { writer, top, attributes, options } = this.tree
    this.flush()
    const end = this.isEmpty ? 'complete' : await writer.setAttributes(top, attributes, options.signal)
    for (const { path, mode } of this.locked) writer.setMode(inTree(top, path), mode & 0o777)
    return end
  }

  private flush(): void {
    if (this.waiting === 0) return
    this.tree.writer.append(this.tree.attributes, Buffer.concat(this.lines))
    this.lines = []
    this.waiting = 0
    this.isEmpty = false
  }
}
