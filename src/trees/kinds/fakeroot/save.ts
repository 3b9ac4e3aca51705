import { type FakerootRecord, fakerootRecord, serializeFakerootLine } from '../../../formats/fakeroot/index.js'
import type { ManifestEntry } from '../../../formats/manifest/entry.js'
import { type BlockStore, writeExact } from '../../../stores/block-store.js'
import type { NewTree } from '../../new-tree/new-tree.js'
import { missingDirectory } from '../../new-tree/tree-plan.js'
import { inTree } from '../../tree-path.js'

const pieceSize = 64 * 1024

/** Writes fakeroot's save file for a new tree. The rename to the final name does not change the recorded inodes. */
export class FakerootSave {
  private readonly store: BlockStore
  private readonly tree: NewTree
  private lines: Uint8Array[] = []
  private waiting = 0

  constructor(store: BlockStore, tree: NewTree) {
    this.store = store
    this.tree = tree
  }

  /** Record a new file. Do not call it for further names: they are the same file. */
  async add(path: Buffer, entry: ManifestEntry): Promise<void> {
    await this.write(fakerootRecord(entry, this.identityOf(path, entry.linkCount)))
  }

  /** Record a directory that the manifest does not list. */
  async addMissing(path: Buffer): Promise<void> {
    const { type, mode, uid, gid } = missingDirectory
    await this.write({ ...this.identityOf(path, undefined), type, mode, uid, gid, device: null })
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.lines)
    this.lines = []
    this.waiting = 0
    await writeExact(this.store, this.store.size, bytes)
  }

  private identityOf(path: Buffer, linkCount: number | undefined): Pick<FakerootRecord, 'dev' | 'ino' | 'nlink'> {
    const { device, inode, nlink } = this.tree.reader.lstat(inTree(this.tree.top, path))
    return { dev: device, ino: inode, nlink: linkCount ?? nlink }
  }

  private async write(record: FakerootRecord): Promise<void> {
    const line = serializeFakerootLine(record)
    this.lines.push(line)
    this.waiting += line.length
    if (this.waiting > pieceSize) await this.flush()
  }
}
