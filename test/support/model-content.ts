// What a model disk holds: directories, inodes, and bytes in pages. Disks share pages until one of them writes, so
// that a copy of a disk costs next to nothing: a crash checker makes tens of thousands of them.

export const pageSize = 4096
export const rootInode = 1

export interface Pages {
  /** A page that nobody wrote is absent, and reads as zeros. */
  readonly pages: (Uint8Array | undefined)[]
  /** The pages that no other disk shares. */
  readonly owned: Set<number>
}

/** The record of one inode, which a disk stores as a whole. */
export interface InodeState {
  readonly size: number
  readonly mtimeNs: bigint
  readonly permissions: number
  readonly owner: number
  readonly group: number
}

export interface FileNode {
  state: InodeState
  readonly data: Pages
}

/** Directories are there from the start and stay. */
export interface DirectoryNode {
  readonly parent: number
  /** Absolute; bytes as Latin-1 text, as all names here. */
  readonly path: string
  readonly names: Map<string, number>
}

/** What a file system makes of a time, nanoseconds since 1970. */
export type KeptTime = (time: bigint) => bigint

export interface DiskContent {
  readonly keptTime: KeptTime
  readonly files: Map<number, FileNode>
  readonly directories: Map<number, DirectoryNode>
  nextInode: number
}

export function emptyContent(keptTime: KeptTime = (time) => time): DiskContent {
  const root = { parent: rootInode, path: '/', names: new Map() }
  return { keptTime, files: new Map(), directories: new Map([[rootInode, root]]), nextInode: rootInode + 1 }
}

export function copyContent(content: DiskContent): DiskContent {
  const files = new Map<number, FileNode>()
  for (const [inode, { state, data }] of content.files) files.set(inode, { state, data: copyPages(data) })
  const directories = new Map<number, DirectoryNode>()
  for (const [inode, directory] of content.directories) {
    directories.set(inode, { ...directory, names: new Map(directory.names) })
  }
  return { keptTime: content.keptTime, files, directories, nextInode: content.nextInode }
}

export function newPages(): Pages {
  return { pages: [], owned: new Set() }
}

export function copyPages(data: Pages): Pages {
  data.owned.clear()
  return { pages: data.pages.slice(), owned: new Set() }
}

function pageToWrite(data: Pages, index: number): Uint8Array {
  const page = data.pages[index]
  if (page !== undefined && data.owned.has(index)) return page
  const own = page === undefined ? new Uint8Array(pageSize) : page.slice()
  data.pages[index] = own
  data.owned.add(index)
  return own
}

export function writePages(data: Pages, offset: number, source: Uint8Array): void {
  for (let done = 0; done < source.length; ) {
    const within = (offset + done) % pageSize
    const count = Math.min(pageSize - within, source.length - done)
    const page = pageToWrite(data, (offset + done - within) / pageSize)
    page.set(source.subarray(done, done + count), within)
    done += count
  }
}

export function readPages(data: Pages, offset: number, target: Uint8Array): void {
  for (let done = 0; done < target.length; ) {
    const within = (offset + done) % pageSize
    const count = Math.min(pageSize - within, target.length - done)
    const page = data.pages[(offset + done - within) / pageSize]
    if (page === undefined) target.fill(0, done, done + count)
    else target.set(page.subarray(within, within + count), done)
    done += count
  }
}

/** Forget all bytes from `size` on: should the file grow again, they are zeros. */
export function cutPages(data: Pages, size: number): void {
  const within = size % pageSize
  const kept = Math.ceil(size / pageSize)
  if (data.pages.length > kept) data.pages.length = kept
  if (within > 0 && data.pages[kept - 1] !== undefined) pageToWrite(data, kept - 1).fill(0, within)
}

export function allocatedBytes(data: Pages): number {
  let count = 0
  data.pages.forEach(() => {
    count++ // forEach passes over holes of the array.
  })
  return count * pageSize
}

export function fileBytes(file: FileNode): Buffer {
  const bytes = Buffer.allocUnsafe(file.state.size)
  readPages(file.data, 0, bytes)
  return bytes
}
