import type { InputReader } from '../../../bytes/input-reader.js'
import type { Stretches } from '../../../bytes/stretch-list.js'
import { blockSize } from '../layout.js'
import { addOldStretches, type SparseHeader } from './header.js'
import { oldSparseBlock } from './layout.js'
import type { Fail, SparseMapBuilder } from './map-builder.js'

/** The whole map of a sparse file. */
export interface SparseMap {
  readonly stretches: Stretches
  /** Bytes of data that follow the map in the archive. */
  readonly dataSize: number
}

/**
 * Read the rest of a map, which comes before the data.
 *
 * @param sizes  what may be the size of the member. Versions of bsdtar before 3.6 wrote a record with the size of the
 *               whole file, and the right size in the header: the map shows which one is right
 * @throws       UmlcowError BAD_ARCHIVE, TRUNCATED_ARCHIVE, ARCHIVE_FEATURE
 */
export async function readSparseMap(
  { map, rest }: SparseHeader,
  input: InputReader,
  sizes: readonly number[],
  fail: Fail,
): Promise<SparseMap> {
  let textLength = 0
  if (rest === 'blocks') await readBlocks(map, input, fail)
  if (rest === 'text') textLength = await readText(map, input, Math.max(...sizes), fail)
  if (!sizes.includes(textLength + map.total)) {
    throw fail('BAD_ARCHIVE', `the map of a sparse file lists ${map.total} bytes of data, which is not its stored size`)
  }
  return { stretches: map.stretches(), dataSize: map.total }
}

async function readBlocks(map: SparseMapBuilder, input: InputReader, fail: Fail): Promise<void> {
  for (let isExtended = true; isExtended; ) {
    const block = await blockOf(input, fail)
    addOldStretches(map, block, oldSparseBlock)
    isExtended = block[oldSparseBlock.offsetOf('isExtended')] !== 0
    // An endless chain of empty blocks would cost time only, but no writer makes an empty one.
    if (isExtended && block[0] === 0) throw fail('BAD_ARCHIVE', 'a block of the map of a sparse file is empty')
  }
}

async function blockOf(input: InputReader, fail: Fail): Promise<Uint8Array> {
  const block = await input.upTo(blockSize)
  if (block.length < blockSize) throw fail('TRUNCATED_ARCHIVE', 'the archive ends inside the map of a sparse file')
  return block
}

const newline = 0x0a
const zero = 0x30

/**
 * Read the map of version 1.0.
 *
 * @param limit  the most bytes of the map and the data
 * @returns      bytes of the map
 */
async function readText(map: SparseMapBuilder, input: InputReader, limit: number, fail: Fail): Promise<number> {
  const unread = 'cannot read the map of a sparse file'
  let length = 0
  /** Numbers to come; unknown before the first line. */
  let left = Number.NaN
  let digits = 0
  let value = 0
  let offset = -1
  while (left !== 0) {
    length += blockSize
    if (length > limit) throw fail('BAD_ARCHIVE', 'the map of a sparse file is longer than its stored size')
    const block = await blockOf(input, fail)
    for (let i = 0; i < blockSize && left !== 0; i++) {
      const byte = block[i]!
      if (byte >= zero && byte <= zero + 9 && digits < 20) {
        value = value * 10 + byte - zero
        digits++
        continue
      }
      if (byte !== newline || digits === 0 || !Number.isSafeInteger(value)) throw fail('BAD_ARCHIVE', unread)
      if (Number.isNaN(left)) left = 2 * value
      else if (left-- % 2 === 0) offset = value
      else map.add(offset, value)
      value = 0
      digits = 0
    }
  }
  return length
}
