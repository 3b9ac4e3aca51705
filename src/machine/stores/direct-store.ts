import { ceilTo, floorTo } from '../../bytes/align.js'
import { alignedBuffer } from '../../bytes/aligned-buffer.js'
import type { FileStore } from './file-store.js'

/** The largest alignment that devices ask of the offset, the length and the memory of a direct read. */
const directAlignment = 4096

/** Bytes read at a time. */
const directLength = 256 * 1024

/**
 * Make a store for reads past the page cache, at any offset and of any length: they go through aligned memory.
 *
 * @param file  opened with `direct`; closed with the store
 */
export function directReader(file: FileStore): FileStore {
  const aligned = alignedBuffer(directLength + 2 * directAlignment)

  function readNow(offset: number, target: Uint8Array): number {
    const start = floorTo(offset, directAlignment)
    const wanted = Math.min(target.length, directLength)
    const length = ceilTo(offset + wanted - start, directAlignment)
    const got = file.readNow(start, aligned.subarray(0, length))
    const from = offset - start
    const count = Math.max(0, Math.min(wanted, got - from))
    target.set(aligned.subarray(from, from + count))
    return count
  }
  return {
    get fd() {
      return file.fd
    },
    name: file.name,
    get size() {
      return file.size
    },
    readNow,
    read: async (offset, target) => readNow(offset, target),
    writeNow: (offset, source) => file.writeNow(offset, source),
    write: (offset, source) => file.write(offset, source),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  }
}
