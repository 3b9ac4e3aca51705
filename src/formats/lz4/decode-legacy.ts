import type { InputReader } from '../../bytes/input-reader.js'
import { readWord } from '../../bytes/words.js'
import { BlockMemory } from './block-memory.js'
import { readLz4Bytes } from './decode-frame.js'
import { badLz4 } from './error.js'
import { legacyBlockSize, longestBlock } from './layout.js'
import type { StreamAccelerator } from './wasm/stream-accelerator.js'

/**
 * Unpack a legacy frame after its magic number. It has neither checksums nor an end mark: it ends with the input, or
 * before a number that is too large for the size of a block, which the caller takes for the next magic number.
 */
export async function* decodeLegacyFrame(
  reader: InputReader,
  name: string,
  stream: StreamAccelerator,
): AsyncGenerator<Uint8Array> {
  const longest = longestBlock(legacyBlockSize)
  const memory = new BlockMemory(stream, legacyBlockSize, longest, false)
  while (true) {
    const place = { name, offset: reader.offset }
    const start = await reader.peek(4)
    if (start.length === 4 && readWord(start, 0) > longest) return
    if (start.length === 0) return
    const length = readWord(await readLz4Bytes(reader, 4, name), 0)
    if (length === 0) throw badLz4(place, 'a block of 0 bytes')
    await memory.read(reader, length, name)
    const content = memory.unpack(length, place)
    if (content.length > 0) yield content
  }
}
