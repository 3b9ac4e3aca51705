import { type FileStore, fileError } from '../../src/machine/stores/file-store.js'
import { checkRange } from '../../src/stores/block-store.js'
import { cutPages, type FileNode, type InodeState, pageSize, readPages, writePages } from './model-content.js'
import { dataEffect, type InodeEffect, type UnstampedEffect } from './model-effects.js'
import { systemError } from './model-paths.js'

export interface OpenFile {
  readonly inode: number
  readonly file: FileNode
  readonly writable: boolean
}

/** What an open file needs of its disk. */
export interface StoreHost {
  now(): number
  /** The mtime that a change at that time gives. */
  mtimeAt(at: number): bigint
  /** Logs the effects of one call. The promise is that of the hooks. */
  record(call: string, at: number, effects: readonly UnstampedEffect[]): Promise<void>
  /** @throws EBADF when it is closed */
  openFile(fd: number, call: string): OpenFile
  close(fd: number): void
}

/** A change of an inode's record and its effect. */
export function changeInode(inode: number, file: FileNode, change: Partial<InodeState>): InodeEffect {
  file.state = { ...file.state, ...change }
  return { kind: 'inode', inode, state: file.state }
}

function writeTo({ inode, file }: OpenFile, offset: number, source: Uint8Array, mtimeNs: bigint): UnstampedEffect[] {
  writePages(file.data, offset, source)
  const size = Math.max(file.state.size, offset + source.length)
  const data = dataEffect(inode, file, offset, source.length)
  return [data, changeInode(inode, file, { size, mtimeNs })]
}

function cutTo({ inode, file }: OpenFile, size: number, mtimeNs: bigint): UnstampedEffect[] {
  // Beyond its last page a file has nothing to cut off, however long it is.
  const end = Math.min(file.state.size, file.data.pages.length * pageSize)
  cutPages(file.data, size)
  const change = changeInode(inode, file, { size, mtimeNs })
  return end > size ? [change, dataEffect(inode, file, size, end - size)] : [change]
}

/** The counterpart of `openFileStore`, error for error. */
export function modelStore(host: StoreHost, fd: number, name: string, initialSize: number): FileStore {
  let size = initialSize

  function act<T>(action: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw fileError(name, action, error)
    }
  }
  function read(offset: number, target: Uint8Array): number {
    checkRange(name, offset, target.length)
    return act(`read at offset ${offset}`, () => {
      const { file } = host.openFile(fd, 'read')
      const count = Math.max(0, Math.min(target.length, file.state.size - offset))
      readPages(file.data, offset, target.subarray(0, count))
      return count
    })
  }
  function write(offset: number, source: Uint8Array): Promise<void> {
    checkRange(name, offset, source.length)
    return act(`write at offset ${offset}`, () => {
      const open = host.openFile(fd, 'write')
      if (!open.writable) throw systemError('EBADF', 'write')
      size = Math.max(size, offset + source.length)
      if (source.length === 0) return Promise.resolve()
      const at = host.now()
      return host.record(`write ${name}`, at, writeTo(open, offset, source, host.mtimeAt(at)))
    })
  }

  return {
    fd,
    name,
    get size() {
      return size
    },
    readNow: read,
    writeNow(offset, source) {
      write(offset, source)
      return source.length
    },
    read: async (offset, target) => read(offset, target),
    async write(offset, source) {
      await write(offset, source)
      return source.length
    },
    async truncate(newSize) {
      checkRange(name, 0, newSize)
      await act(`set the size to ${newSize}`, () => {
        const open = host.openFile(fd, 'ftruncate')
        if (!open.writable) throw systemError('EINVAL', 'ftruncate')
        size = newSize
        const at = host.now()
        return host.record(`truncate ${name}`, at, cutTo(open, newSize, host.mtimeAt(at)))
      })
    },
    async sync() {
      await act('sync', () => {
        const { inode } = host.openFile(fd, 'fsync')
        return host.record(`sync ${name}`, host.now(), [{ kind: 'syncFile', inode }])
      })
    },
    async close() {
      host.close(fd)
    },
  }
}
