/**
 * Ways to get the backing file's part of a merged image:
 *
 * - `reflink`: the new file shares its storage, then the overlay is written over it
 * - `cp`: the host's `cp` copies it with its holes, then the same
 * - `extents`: the host's `filefrag` tells the holes, then one pass over both files
 * - `read`: one pass that finds the holes by reading; it always works
 */
export const copiers = ['reflink', 'cp', 'extents', 'read'] as const
export type Copier = (typeof copiers)[number]

export interface CopyFacts {
  /** Bytes of the backing file. */
  readonly size: number
  /** Bytes that the host stores of it. Null: it is no regular file, and nothing but reading will do. */
  readonly allocatedSize: number | null
  /** Bytes that the overlay supplies. */
  readonly overlaySize: number
  readonly sparse: 'auto' | 'always' | 'never'
}

/** Bytes of holes below which finding them costs more than it saves: 64 MiB of them are read in 25 ms, measured. */
const helperPaysOff = 64 * 1024 * 1024

/**
 * With `cp`, what the overlay covers is written twice, and ext4 begins to write a file out when `cp`, which cuts it down to
 * nothing first, closes it. Measured on W3 of docs/performance.md: 1.4 to 1.9 s with `cp`, 1.0 to 1.4 s with `extents`.
 */
const smallShare = 1 / 4

/** The ways worth trying, best first; the last one always works. */
export function copiersFor({ size, allocatedSize, overlaySize, sparse }: CopyFacts): Copier[] {
  if (allocatedSize === null || sparse === 'never') return ['read']
  const ways: Copier[] = []
  // Blocks that the overlay writes share nothing any more: a file full of them is better made at once.
  if (sparse === 'auto' && overlaySize <= allocatedSize / 2) ways.push('reflink')
  if (size - allocatedSize >= helperPaysOff) {
    ways.push('extents')
    if (sparse === 'auto' && overlaySize <= allocatedSize * smallShare) ways.push('cp')
  }
  ways.push('read')
  return ways
}

/** Whether reading past the page cache may find enough holes to be worth it. */
export function mayHaveHoles({ size, allocatedSize }: Pick<CopyFacts, 'size' | 'allocatedSize'>): boolean {
  return allocatedSize !== null && size - allocatedSize >= helperPaysOff
}
