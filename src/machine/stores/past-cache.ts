import fs from 'node:fs'
import type { SyncBlockStore } from '../../stores/block-store.js'

/** An open file, read past the page cache. */
export interface PastCache extends SyncBlockStore {
  /** Close the descriptor for these reads. The file itself stays open. */
  closeNow(): void
}

/**
 * Read an open file past the page cache, where a hole costs next to nothing.
 *
 * Where the host has no such reads, plain reads give the same bytes. The first read opens the file again by its
 * descriptor, so another file that has taken its name does no harm.
 *
 * @param plain  refuses access to its descriptor once it is closed: the number may then belong to another file
 */
export function pastCacheOf(plain: SyncBlockStore & { readonly fd: number }): PastCache {
  /** Undefined before the first read; null where there are no such reads, and after close. */
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
      // No such reads at this alignment, or on this file system. A damaged disk fails plain reads, too.
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
