import { NumberSet } from '../../../bytes/number-set.js'
import { UmlcowError } from '../../../errors.js'
import { type ByteRange, compareRanges } from '../../../images/compare-ranges.js'
import type { Image } from '../../../images/image.js'

/** Blocks that were compared. */
export interface ComparedBlocks {
  readonly changed: NumberSet
  /** Bytes of the blocks that are equal. */
  readonly sameLength: number
}

/** 64 MiB of bits: enough for all blocks of 2 TiB in blocks of 4 KiB. */
const maxPieces = 2 ** 14

/** Find the blocks that differ among those that the ranges touch. */
export async function findChangedBlocks(
  old: Image,
  now: Image,
  ranges: AsyncIterable<ByteRange> | Iterable<ByteRange>,
  options: { readonly blockSize: number; readonly signal: AbortSignal | undefined },
): Promise<ComparedBlocks> {
  const { blockSize: unit, signal } = options
  const changed = new NumberSet()
  let sameLength = 0
  for await (const { start, end, isSame } of compareRanges(old, now, ranges, { unit, signal })) {
    if (isSame) sameLength += end - start
    else {
      changed.add(start / unit, Math.ceil(end / unit))
      if (changed.pieceCount > maxPieces) throw tooMany()
    }
  }
  return { changed, sameLength }
}

function tooMany(): UmlcowError {
  return new UmlcowError('FS_UNSUPPORTED', 'the file systems differ in too many places for a list of changed files', {
    hint: '--ranges lists the bytes that differ',
  })
}
