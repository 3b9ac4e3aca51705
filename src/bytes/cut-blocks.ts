import { allocateUnsafe } from './fast.js'

export interface CutOptions {
  /** How many memories take turns; default 1. */
  readonly count?: number
  /** Allocates the memory of a block. */
  readonly allocate?: (length: number) => Uint8Array
}

/**
 * Cut a source into blocks of one length; the last one may be shorter.
 *
 * @returns  blocks in `count` memories by turns: a block is valid until `count` more were asked for
 */
export async function* cutBlocks(
  source: AsyncIterable<Uint8Array>,
  blockSize: number,
  { count = 1, allocate = allocateUnsafe }: CutOptions = {},
): AsyncGenerator<Uint8Array> {
  const memories: Uint8Array[] = []
  let turn = 0
  let used = 0
  for await (const piece of source) {
    for (let at = 0; at < piece.length; ) {
      memories[turn] ??= allocate(blockSize)
      const part = piece.subarray(at, at + blockSize - used)
      memories[turn]!.set(part, used)
      used += part.length
      at += part.length
      if (used < blockSize) continue
      yield memories[turn]!
      turn = (turn + 1) % count
      used = 0
    }
  }
  if (used > 0) yield memories[turn]!.subarray(0, used)
}
