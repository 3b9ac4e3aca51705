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

/** The content of a file. A class, as a million objects with functions of their own would take long to make. */
class ExtContent implements ItemContent {
  readonly sparse?: SparseBytes
  private readonly contents: ExtContents
  private readonly inode: ExtInode
  private readonly bytes: Uint8Array | null

  constructor(contents: ExtContents, inode: ExtInode, bytes: Uint8Array | null, stretches: Stretches | null) {
    this.contents = contents
    this.inode = inode
    this.bytes = bytes
    if (stretches !== null) {
      this.sparse = { stretches, data: { [Symbol.asyncIterator]: () => contents.pieces(inode, stretches) } }
    }
  }

  whole(): Uint8Array | null {
    return this.bytes
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.contents.pieces(this.inode, Float64Array.of(0, this.inode.size))
  }
}

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
    return new ExtContent(this, inode, null, null)
  }

  /** Make the content of a file, with its holes. It reads a small file at once. */
  async of(inode: ExtInode): Promise<ItemContent> {
    const { size } = inode
    if (mayHaveHoles(this.files, inode)) {
      const stretches = await stretchesOf(this.files, inode)
      const isWhole = stretches.length === 2 && stretches[0] === 0 && stretches[1] === size
      if (!isWhole) return new ExtContent(this, inode, null, stretches)
    }
    if (size > wholeSize) return this.unread(inode)
    const bytes = this.room.subarray(0, size)
    if (size > 0) await this.files.read(inode, 0, bytes)
    this.reading.onRead?.(size)
    return new ExtContent(this, inode, bytes, null)
  }

  /** Read stretches of a file. */
  async *pieces(inode: ExtInode, stretches: Stretches): AsyncGenerator<Uint8Array> {
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
