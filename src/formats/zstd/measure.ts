import type { InputReader } from '../../bytes/input-reader.js'
import { readBlockHeader, readZstdHeader, readZstdMagic, skipZstd } from './frames.js'

/**
 * Add up what all frames unpack to, by their headers. It skips the data of blocks.
 *
 * @param mostBlocks  give up after so many blocks: the result is null
 * @returns           bytes; null where a frame does not say it
 * @throws            UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC
 */
export async function measureZstd(reader: InputReader, name: string, mostBlocks: number): Promise<number | null> {
  let sum = 0
  let left = mostBlocks
  while (await readZstdMagic(reader, name)) {
    const { header } = await readZstdHeader(reader, name)
    if (header.contentSize === null) return null
    sum += header.contentSize
    for (let isLast = false; !isLast; ) {
      if (left-- <= 0) return null
      const block = await readBlockHeader(reader, name)
      await skipZstd(reader, block.length, name)
      isLast = block.isLast
    }
    if (header.hasChecksum) await skipZstd(reader, 4, name)
  }
  return sum
}
