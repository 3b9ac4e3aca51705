import type { ExtInode } from '../../formats/ext/index.js'
import type { ExtExtent, ExtFileSystem } from './ext-file-system.js'

/** List where a file is, without its holes. Extents that follow one another in the file and on the disk are one. */
export async function* joinExtExtents(files: ExtFileSystem, inode: ExtInode): AsyncGenerator<readonly ExtExtent[]> {
  let last: ExtExtent | null = null
  for await (const batch of files.extents(inode)) {
    const whole: ExtExtent[] = []
    for (const extent of batch) {
      if (extent.physical === null && extent.unwrittenAt === null) continue
      const joined: ExtExtent | null = last === null ? null : join(last, extent)
      if (joined === null && last !== null) whole.push(last)
      last = joined ?? extent
    }
    if (whole.length > 0) yield whole
  }
  if (last !== null) yield [last]
}

function join(first: ExtExtent, second: ExtExtent): ExtExtent | null {
  const { logical, physical, unwrittenAt, length } = first
  const follows = (at: number | null, next: number | null) => (at === null ? next === null : next === at + length)
  const isOne =
    second.logical === logical + length &&
    follows(physical, second.physical) &&
    follows(unwrittenAt, second.unwrittenAt)
  return isOne ? { logical, physical, unwrittenAt, length: length + second.length } : null
}
