/**
 * Ways to get the backing file's part of a merged image:
 *
 * - `reflink`: the new file shares the storage of the backing file, then umlcow writes the overlay over it
 * - `cp`: the host's `cp` copies the backing file with its holes, then umlcow writes the overlay over it
 * - `extents`: the host's `filefrag` lists the holes, then one pass reads both files
 * - `read`: one pass finds the holes by reading; it always works
 */
export const copiers = ['reflink', 'cp', 'extents', 'read'] as const
export type Copier = (typeof copiers)[number]

export interface CopyFacts {
  /** Bytes of the backing file. */
  readonly size: number
  /** Bytes that the host stores of it. Null: it is not a regular file, and only `read` works. */
  readonly allocatedSize: number | null
  /** Bytes that the overlay supplies. */
  readonly overlaySize: number
  readonly sparse: 'auto' | 'always' | 'never'
}

/** With fewer bytes of holes than this, finding them costs more than it saves: 64 MiB take 25 ms to read, measured. */
const helperPaysOff = 64 * 1024 * 1024

/**
 * `cp` is for overlays that supply at most this share. The merge then writes the overlay's sectors a second time. Also,
 * `cp` truncates the file first, so ext4 begins to write it out when `cp` closes it. Measured on W3 of
 * docs/performance.md: 1.4 to 1.9 s with `cp`, 1.0 to 1.4 s with `extents`.
 */
const smallShare = 1 / 4

/** List the ways to try, best first. The last one always works. */
export function copiersFor({ size, allocatedSize, overlaySize, sparse }: CopyFacts): Copier[] {
  if (allocatedSize === null || sparse === 'never') return ['read']
  const ways: Copier[] = []
  // A block that the overlay overwrites is no longer shared. With many such blocks, one plain pass is faster.
  if (sparse === 'auto' && overlaySize <= allocatedSize / 2) ways.push('reflink')
  if (size - allocatedSize >= helperPaysOff) {
    ways.push('extents')
    if (sparse === 'auto' && overlaySize <= allocatedSize * smallShare) ways.push('cp')
  }
  ways.push('read')
  return ways
}

/** True when a search past the page cache may find enough holes to pay off. */
export function mayHaveHoles({ size, allocatedSize }: Pick<CopyFacts, 'size' | 'allocatedSize'>): boolean {
  return allocatedSize !== null && size - allocatedSize >= helperPaysOff
}
