import type { InputReader } from '../../bytes/input-reader.js'
import { readWord } from '../../bytes/words.js'
import { readFrameHeader, readLz4Bytes } from './decode-frame.js'
import { badLz4, truncatedLz4 } from './error.js'
import { frameMagic, skippableMagic, skippableMagicCount, storedBit } from './layout.js'

/**
 * Add up what all frames unpack to, by their headers. It skips the data of blocks, so it is fast where the input is a
 * file.
 *
 * @param mostBlocks  give up after so many blocks: the result is null
 * @returns           bytes; null where a frame does not say it, as legacy frames never do
 * @throws            UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC
 */
export async function measureLz4(reader: InputReader, name: string, mostBlocks: number): Promise<number | null> {
  let sum = 0
  let blocks = mostBlocks
  while (true) {
    const place = { name, offset: reader.offset }
    const start = await reader.upTo(4)
    if (start.length === 0) return sum
    const magic = start.length < 4 ? -1 : readWord(start, 0)
    if (magic >= skippableMagic && magic < skippableMagic + skippableMagicCount) {
      await skipExactly(reader, readWord(await readLz4Bytes(reader, 4, name), 0), name)
      blocks--
    } else if (magic === frameMagic) {
      const { contentSize, blockChecksums, contentChecksum } = await readFrameHeader(reader, name)
      if (contentSize === null) return null
      sum += contentSize
      blocks = await skipBlocks(reader, blockChecksums ? 4 : 0, name, blocks)
      if (contentChecksum && blocks > 0) await skipExactly(reader, 4, name)
    } else if (sum === 0 && blocks === mostBlocks) return null
    else throw badLz4(place, 'no frame')
    if (blocks <= 0) return null
  }
}

/** @returns how many blocks may still be skipped */
async function skipBlocks(reader: InputReader, checksum: number, name: string, most: number): Promise<number> {
  for (let left = most - 1; left > 0; left--) {
    const word = readWord(await readLz4Bytes(reader, 4, name), 0)
    if (word === 0) return left
    await skipExactly(reader, (word % storedBit) + checksum, name)
  }
  return 0
}

async function skipExactly(reader: InputReader, length: number, name: string): Promise<void> {
  if ((await reader.skip(length)) < length) throw truncatedLz4({ name, offset: reader.offset })
}
