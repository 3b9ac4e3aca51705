import { createHash } from 'node:crypto'
import type { Dice } from './generate.js'

/** The bytes of an array as a stream of pieces, in memory that the next piece uses again, as real sources do. */
export async function* inPieces(bytes: Uint8Array, length = 64 * 1024): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(length)
  for (let at = 0; at < bytes.length; at += length) {
    const part = bytes.subarray(at, at + length)
    memory.set(part)
    yield memory.subarray(0, part.length)
    memory.fill(0xee)
  }
}

/** Copies of all bytes of a stream. @param limit  fail when there are more */
export async function collect(stream: AsyncIterable<Uint8Array>, limit = 256 * 1024 * 1024): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const piece of stream) {
    length += piece.length
    if (length > limit) throw new Error(`more than ${limit} bytes`)
    parts.push(Buffer.from(piece))
  }
  return Buffer.concat(parts)
}

/** Bytes with repetitions, zeros and noise, as images have them. */
export function mixedBytes(dice: Dice, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const end = Math.min(length, at + 1 + dice.below(Math.max(1, Math.min(length, 40_000))))
    const kind = dice.below(4)
    if (kind === 1) bytes.fill('root:x:0:0:root:/root:/bin/bash\n', at, end)
    else if (kind === 2) noise(dice, end - at).copy(bytes, at)
    else if (kind === 3)
      for (let i = at; i < end; i++) bytes[i] = bytes[Math.max(0, i - 1 - dice.below(300))]! ^ dice.below(2)
    at = end
  }
  return bytes
}

/** Bytes that do not compress. */
export function noise(dice: Dice, length: number): Buffer {
  return createHash('shake256', { outputLength: length })
    .update(String(dice.below(2 ** 30)))
    .digest()
}
