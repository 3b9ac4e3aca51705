import fs from 'node:fs'
import type { SyncBlockStore } from '../../stores/block-store.js'

/** An open file by reads past the page cache. */
export interface PastCache extends SyncBlockStore {
  /** Of what was opened for it; the file itself stays open. */
  closeNow(): void
}

/**
 * The bytes of an open file by reads past the page cache, in which a hole costs next to nothing. Where the host has no such
 * reads, they are plain ones: the bytes are the same.
 *
 * The file is opened again when it is first read, by its descriptor: a file that has taken its name cannot get in the way.
 *
 * @param plain  refuses to tell its descriptor once it is closed: that may be another file's by then
 */
export function pastCacheOf(plain: SyncBlockStore & { readonly fd: number }): PastCache {
  /** Null: there are none. */
  let direct: number | null | undefined

  function closeNow(): void {
    if (typeof direct === 'number') fs.closeSync(direct)
    direct = null
  }

  function readNow(offset: number, target: Uint8Array): number {
    const { fd } = plain
    direct ??= direct === undefined ? openDirect(fd) : null
    if (direct === null) return plain.readNow(offset, target)
    try {
      return fs.readSync(direct, target, 0, target.length, offset)
    } catch {
      // No such reads at this alignment, or of this file system; a damaged disk fails plain ones, too.
      closeNow()
      return plain.readNow(offset, target)
    }
  }

  return {
    name: plain.name,
    get size() {
      return plain.size
    },
    readNow,
    read: async (offset, target) => readNow(offset, target),
    writeNow: plain.writeNow,
    write: plain.write,
    truncate: plain.truncate,
    sync: plain.sync,
    close: async () => closeNow(),
    closeNow,
  }
}

function openDirect(fd: number): number | null {
  if (fs.constants.O_DIRECT === undefined) return null
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
  } catch {
    return null // No /proc, no such reads, or no permission any more.
  }
}
