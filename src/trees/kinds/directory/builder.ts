import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { isDevice } from '../../../formats/manifest/mode.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import type { Owner } from '../../host/tree-facts.js'
import type { NewTree } from '../../new-tree/new-tree.js'
import {
  copyContent,
  type FileTerms,
  makeFile,
  placeDraft,
  placeFifo,
  type TreeBuilder,
} from '../../new-tree/tree-builder.js'
import { missingDirectory } from '../../new-tree/tree-plan.js'
import { inTree } from '../../tree-path.js'

const permissionBits = 0o777
const nothing = Buffer.alloc(0)

/** Makes each name with its own type, owner and mode, as far as the user's rights allow. */
export class DirectoryBuilder implements TreeBuilder {
  /** Number of names that differ from their entries. */
  differing = 0
  private readonly tree: NewTree
  private readonly asRoot: boolean
  private readonly user: Owner
  private readonly onMade: (path: Buffer, entry: ManifestEntry) => Promise<void> | void

  /** @param onMade  called after each name is made, except for further names of a file */
  constructor(tree: NewTree, asRoot: boolean, onMade: DirectoryBuilder['onMade']) {
    this.tree = tree
    this.asRoot = asRoot
    this.user = tree.reader.user()
    this.onMade = onMade
  }

  /** Makes a directory that no other user can enter until its content is complete. */
  async makeDirectory(path: Buffer, entry: ManifestEntry | null): Promise<void> {
    const place = this.placeOf(path)
    this.tree.writer.makeDirectory(place, 0o700)
    if (entry !== null) await this.completeDirectory(path, entry)
    else if (this.asRoot) this.tree.writer.setOwner(place, missingDirectory)
  }

  async completeDirectory(path: Buffer, entry: ManifestEntry): Promise<void> {
    if (this.asRoot) this.tree.writer.setOwner(this.placeOf(path), entry)
    await this.made(path, entry)
  }

  /** Computes the mode of a name. Only root sets bits above 0777. */
  modeOf(mode: number): number {
    return this.asRoot ? mode : mode & permissionBits
  }

  link(path: Buffer, first: Buffer): void {
    this.tree.writer.link(this.placeOf(first), this.placeOf(path))
  }

  async makeNode(path: Buffer, item: ManifestItem): Promise<void> {
    const { entry } = item
    const { tree } = this
    const place = this.placeOf(path)
    const terms: FileTerms = { mode: this.modeOf(entry.mode), owner: this.ownerOf(entry) }
    if (entry.type === 'file') await copyContent(tree, place, item, terms)
    else if (entry.type === 'symlink') this.makeLink(place, entry)
    else if (entry.type === 'fifo') await placeFifo(tree, place, entry.mtimeNs, terms)
    else if (entry.type === 'socket') await this.makeSocket(place, entry, terms)
    else if (this.asRoot) await this.makeDevice(place, entry, terms)
    else makeFile(tree, place, nothing, entry.mtimeNs, terms)
    await this.made(path, entry)
  }

  discard(path: Buffer, isDirectory: boolean): void {
    if (!isDirectory) this.tree.writer.unlink(this.placeOf(path))
  }

  private placeOf(path: Buffer): Buffer {
    return inTree(this.tree.top, path)
  }

  private ownerOf({ uid, gid }: ManifestEntry): Owner | null {
    return this.asRoot ? { uid, gid } : null
  }

  private async made(path: Buffer, entry: ManifestEntry): Promise<void> {
    if (!this.asRoot && isOutOfReach(entry, this.user)) this.differing++
    await this.onMade(path, entry)
  }

  private makeLink(place: Buffer, entry: ManifestEntry): void {
    const { writer } = this.tree
    writer.makeLink(asBuffer(entry.linkTarget!), place)
    if (this.asRoot) writer.setOwner(place, entry)
    writer.setMtime(place, entry.mtimeNs)
  }

  private async makeDevice(place: Buffer, { type, device, mtimeNs }: ManifestEntry, terms: FileTerms): Promise<void> {
    const kind = type === 'block' ? 'block' : 'character'
    await this.tree.writer.makeDevice(this.tree.draft.toString(), kind, device!.major, device!.minor)
    placeDraft(this.tree, place, mtimeNs, terms)
  }

  /** Makes a socket. Node removes the listener's name when it closes, so the socket is renamed before that. */
  private async makeSocket(place: Buffer, { mtimeNs }: ManifestEntry, terms: FileTerms): Promise<void> {
    const { writer, draft } = this.tree
    const listening = Buffer.concat([draft, Buffer.from('-socket')])
    await writer.makeSocket(listening, () => writer.rename(listening, draft))
    placeDraft(this.tree, place, mtimeNs, terms)
  }
}

function isOutOfReach({ type, mode, uid, gid }: ManifestEntry, user: Owner): boolean {
  const isOwn = uid === user.uid && gid === user.gid
  return !isOwn || isDevice(type) || (type !== 'symlink' && mode > permissionBits)
}
