import type { ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import { isDevice } from '../../../formats/manifest/mode.js'
import type { Owner } from '../../host/tree-files.js'
import type { NewTree } from '../../new-tree/make-new-tree.js'
import {
  copyContent,
  type FileTerms,
  makeFifo,
  makeFile,
  placeDraft,
  type TreeBuilder,
} from '../../new-tree/tree-builder.js'
import { missingDirectory } from '../../new-tree/tree-plan.js'
import { inTree } from '../../tree-path.js'

const permissionBits = 0o777
const nothing = Buffer.alloc(0)

/** Makes each name as what it is; for others than root, as near to it as they can. */
export class DirectoryBuilder implements TreeBuilder {
  /** Names that are not what they should be. */
  differing = 0
  private readonly tree: NewTree
  private readonly asRoot: boolean
  private readonly onMade: (path: Buffer, entry: ManifestEntry) => Promise<void> | void

  /** @param onMade  told of each name that has come to be, but for further names */
  constructor(tree: NewTree, asRoot: boolean, onMade: DirectoryBuilder['onMade']) {
    this.tree = tree
    this.asRoot = asRoot
    this.onMade = onMade
  }

  /** Only we may enter it, until all is in it. */
  async makeDirectory(path: Buffer, entry: ManifestEntry | null): Promise<void> {
    const place = this.placeOf(path)
    this.tree.treeFiles.makeDirectory(place, 0o700)
    if (entry !== null) await this.completeDirectory(path, entry)
    else if (this.asRoot) this.tree.treeFiles.setOwner(place, missingDirectory)
  }

  async completeDirectory(path: Buffer, entry: ManifestEntry): Promise<void> {
    if (this.asRoot) this.tree.treeFiles.setOwner(this.placeOf(path), entry)
    await this.made(path, entry)
  }

  /** What a directory gets when all is in it. */
  modeOf(mode: number): number {
    return this.asRoot ? mode : mode & permissionBits
  }

  link(path: Buffer, first: Buffer): void {
    this.tree.treeFiles.link(this.placeOf(first), this.placeOf(path))
  }

  async makeNode(path: Buffer, item: ManifestItem): Promise<void> {
    const { entry } = item
    const { tree } = this
    const place = this.placeOf(path)
    const terms: FileTerms = { mode: this.modeOf(entry.mode), owner: this.ownerOf(entry) }
    if (entry.type === 'file') await copyContent(tree, place, item, terms)
    else if (entry.type === 'symlink') this.makeLink(place, entry)
    else if (entry.type === 'fifo') await makeFifo(tree, place, entry.mtimeNs, terms)
    else if (entry.type === 'socket') await this.makeSocket(place, entry, terms)
    else if (this.asRoot) await this.makeDevice(place, entry, terms)
    else await makeFile(tree, place, nothing, entry.mtimeNs, terms)
    await this.made(path, entry)
  }

  private placeOf(path: Buffer): Buffer {
    return inTree(this.tree.top, path)
  }

  private ownerOf({ uid, gid }: ManifestEntry): Owner | null {
    return this.asRoot ? { uid, gid } : null
  }

  private async made(path: Buffer, entry: ManifestEntry): Promise<void> {
    if (!this.asRoot && isOutOfReach(entry)) this.differing++
    await this.onMade(path, entry)
  }

  private makeLink(place: Buffer, entry: ManifestEntry): void {
    const { maker, treeFiles } = this.tree
    maker.makeLink(entry.linkTarget!, place)
    if (this.asRoot) treeFiles.setOwner(place, entry)
    maker.setMtime(place, entry.mtimeNs)
  }

  private async makeDevice(place: Buffer, { type, device, mtimeNs }: ManifestEntry, terms: FileTerms): Promise<void> {
    const kind = type === 'block' ? 'block' : 'character'
    await this.tree.nodes.makeDevice(this.tree.draft.toString(), kind, device!.major, device!.minor)
    placeDraft(this.tree, place, mtimeNs, terms)
  }

  /** Node's listener removes the name that it has made: it is another one by then. */
  private async makeSocket(place: Buffer, { mtimeNs }: ManifestEntry, terms: FileTerms): Promise<void> {
    const { nodes, treeFiles, draft } = this.tree
    const listening = Buffer.concat([draft, Buffer.from('-socket')])
    await nodes.makeSocket(listening, () => treeFiles.rename(listening, draft))
    placeDraft(this.tree, place, mtimeNs, terms)
  }
}

function isOutOfReach({ type, mode, uid, gid }: ManifestEntry): boolean {
  const isOwn = uid === process.geteuid?.() && gid === process.getegid?.()
  return !isOwn || isDevice(type) || (type !== 'symlink' && mode > permissionBits)
}
