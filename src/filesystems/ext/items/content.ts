import { allocateUnsafe } from '../../../bytes/fast.js'
import { type Stretches, StretchList } from '../../../bytes/stretch-list.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ItemContent, SparseBytes } from '../../../formats/manifest/entry.js'
import type { ExtFileSystem } from '../ext-file-system.js'

const pieceSize = 256 * 1024

/** What a caller wants to know and do while content is read. */
export interface ExtReading {
  /** Receives the number of bytes after each piece of content: for progress. */
  readonly onRead?: ((bytes: number) => void) | undefined
  /** Is called before each item and each piece, and may make the reader wait: so that signals get through. */
  readonly pause?: (() => Promise<void> | undefined) | undefined
}

/** Files up to this size are read before anyone asks: one wait for the whole file. */
const wholeSize = 64 * 1024

/** Stretches of a file: at most 16 MiB. Of a file in more pieces, the holes at its end count as data. */
const maxStretches = 2 ** 20

/** Reads the content of files, one after another, into the same memory. */
export class ExtContents {
  private readonly files: ExtFileSystem
  private readonly room = allocateUnsafe(pieceSize)
  private readonly reading: ExtReading

  constructor(files: ExtFileSystem, reading: ExtReading = {}) {
    this.files = files
    this.reading = reading
  }

  /** Make the content of a file that nothing may read. */
  unread(inode: ExtInode): ItemContent {
    const stretches = Float64Array.of(0, inode.size)
    return { [Symbol.asyncIterator]: () => this.pieces(inode, stretches) }
  }

  /** Make the content of a file, with its holes. It reads a small file at once. */
  async of(inode: ExtInode): Promise<ItemContent> {
    const { size } = inode
    const sparse = mayHaveHoles(this.files, inode) ? await this.sparse(inode) : null
    if (sparse !== null) return { ...this.unread(inode), sparse }
    if (size > wholeSize) return this.unread(inode)
    const bytes = this.room.subarray(0, size)
    await this.files.read(inode, 0, bytes)
    this.reading.onRead?.(size)
    return { ...this.unread(inode), whole: () => bytes }
  }

  /** Find the holes of a file; null when it has none. */
  private async sparse(inode: ExtInode): Promise<SparseBytes | null> {
    const stretches = await stretchesOf(this.files, inode)
    const isWhole = stretches.length === 2 && stretches[0] === 0 && stretches[1] === inode.size
    return isWhole ? null : { stretches, data: { [Symbol.asyncIterator]: () => this.pieces(inode, stretches) } }
  }

  private async *pieces(inode: ExtInode, stretches: Stretches): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < stretches.length; i += 2) {
      const end = stretches[i + 1]!
      for (let at = stretches[i]!; at < end; ) {
        const pause = this.reading.pause?.()
        if (pause !== undefined) await pause
        const piece = this.room.subarray(0, Math.min(pieceSize, end - at))
        await this.files.read(inode, at, piece)
        at += piece.length
        yield piece
        this.reading.onRead?.(piece.length)
      }
    }
  }
}

/** False where a look at the map would tell nothing: the file has one block at most. */
function mayHaveHoles({ superblock }: ExtFileSystem, { size, flags, allocatedSize }: ExtInode): boolean {
  if (size === 0 || hasBit(flags, extInodeFlags.inlineData)) return false
  return size > superblock.blockSize || allocatedSize === 0
}

/** List the stretches of a file that its blocks hold. What was reserved and not written is a hole. */
async function stretchesOf(files: ExtFileSystem, inode: ExtInode): Promise<Stretches> {
  const { blockSize } = files.superblock
  const list = new StretchList(maxStretches)
  for await (const extents of files.extents(inode)) {
    for (const { logical, physical, length } of extents) {
      const start = Math.min(logical * blockSize, inode.size)
      if (physical !== null) list.cover(start, Math.min(start + length * blockSize, inode.size))
    }
  }
  return list.stretches()
}
