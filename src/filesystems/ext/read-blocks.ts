import type { ExtInode } from '../../formats/ext/index.js'
import { blocksOf, mapFile } from './map/map-file.js'
import type { ExtVolume } from './volume.js'

/** Fill `target` from the blocks of a file. What no block holds reads as zeros, also beyond the end of the file. */
export async function readBlocks(
  volume: ExtVolume,
  inode: ExtInode,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  const { blockSize } = volume.superblock
  const end = offset + target.length
  let done = offset
  for await (const extents of mapFile(volume, inode, blocksOf(volume, offset, end))) {
    for (const { logical, physical, length } of extents) {
      const stop = Math.min(end, (logical + length) * blockSize)
      const part = target.subarray(done - offset, stop - offset)
      if (physical === null) part.fill(0)
      else await volume.readData(physical * blockSize + done - logical * blockSize, part)
      done = stop
    }
  }
  target.fill(0, done - offset)
}
