import { concatBytes, copyOf } from '../../bytes/fast.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { readWord } from '../../bytes/words.js'
import { BlockMemory } from './block-memory.js'
import { badLz4, truncatedLz4 } from './error.js'
import { type FrameHeader, fixedHeaderLength, parseFrameHeader, restOfHeaderLength } from './frame-header.js'
import { storedBit } from './layout.js'
import type { StreamAccelerator } from './wasm/stream-accelerator.js'
import { XxHash32, xxHash32 } from './xxhash32.js'

/** Read bytes that must exist. They are valid until the next read. */
export async function readLz4Bytes(reader: InputReader, length: number, name: string): Promise<Uint8Array> {
  const bytes = await reader.upTo(length)
  if (bytes.length < length) throw truncatedLz4({ name, offset: reader.offset })
  return bytes
}

async function readLz4Word(reader: InputReader, name: string): Promise<number> {
  return readWord(await readLz4Bytes(reader, 4, name), 0)
}

/** Read the header of a frame after its magic number. */
export async function readFrameHeader(reader: InputReader, name: string): Promise<FrameHeader> {
  const offset = reader.offset
  const start = copyOf(await readLz4Bytes(reader, fixedHeaderLength, name))
  const rest = await readLz4Bytes(reader, restOfHeaderLength(start[0]!), name)
  return parseFrameHeader(concatBytes([start, rest]), { name, offset })
}

/** Unpack a frame after its magic number, and verify its checksums and its size. */
export async function* decodeFrame(
  reader: InputReader,
  name: string,
  stream: StreamAccelerator,
): AsyncGenerator<Uint8Array> {
  const header = await readFrameHeader(reader, name)
  const memory = new BlockMemory(stream, header.blockSize, header.blockSize, !header.independent)
  const hash = header.contentChecksum ? new XxHash32(memory.accelerator) : null
  let size = 0
  for await (const content of decodeBlocks(reader, header, memory, name)) {
    size += content.length
    if (header.contentSize !== null && size > header.contentSize)
      throw badLz4({ name, offset: reader.offset }, 'more data than the header says')
    hash?.update(content)
    yield content
  }
  const place = { name, offset: reader.offset }
  if (header.contentSize !== null && size !== header.contentSize)
    throw badLz4(place, `${size} bytes of data where the header says ${header.contentSize},`)
  if (hash !== null && (await readLz4Word(reader, name)) !== hash.digest())
    throw badLz4(place, 'a wrong checksum of the content')
}

async function* decodeBlocks(
  reader: InputReader,
  header: FrameHeader,
  memory: BlockMemory,
  name: string,
): AsyncGenerator<Uint8Array> {
  while (true) {
    const place = { name, offset: reader.offset }
    const word = await readLz4Word(reader, name)
    if (word === 0) return
    const isStored = word >= storedBit
    const length = isStored ? word - storedBit : word
    if (length > header.blockSize) throw badLz4(place, `a block of ${length} bytes, more than ${header.blockSize},`)
    const input = await memory.read(reader, length, name)
    if (header.blockChecksums && (await readLz4Word(reader, name)) !== xxHash32(input, memory.accelerator))
      throw badLz4(place, 'a wrong checksum of a block')
    const content = isStored ? memory.takeStored(length) : memory.unpack(length, place)
    if (content.length > 0) yield content
  }
}
