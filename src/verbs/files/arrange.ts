import type { ExtEntry } from '../../filesystems/ext/index.js'

/** Which names of a directory to list, and in which order. */
export interface Arrangement {
  /** Names that begin with a dot: none, all but `.` and `..`, or all. Default: none */
  readonly hidden?: 'none' | 'almost-all' | 'all' | undefined
  /** Default: by name, byte by byte. `size`: the largest first. `time`: the last modified first. */
  readonly sort?: 'name' | 'size' | 'time' | undefined
  readonly reverse?: boolean | undefined
}

const dot = 0x2e

const comparers: Readonly<Record<'size' | 'time', (a: ExtEntry, b: ExtEntry) => number>> = {
  size: (a, b) => b.inode.size - a.inode.size,
  time: ({ inode: { mtime: a } }, { inode: { mtime: b } }) => b.seconds - a.seconds || b.nanoseconds - a.nanoseconds,
}

/** Choose and sort the names of a directory. @param entries  sorted by name */
export function arrange(
  entries: readonly ExtEntry[],
  { hidden = 'none', sort = 'name', reverse = false }: Arrangement,
): readonly ExtEntry[] {
  const shown = hidden === 'none' ? entries.filter(({ name }) => name[0] !== dot) : [...entries]
  // The sort is stable: entries that are equal stay sorted by name.
  if (sort !== 'name') shown.sort(comparers[sort])
  return reverse ? shown.reverse() : shown
}
