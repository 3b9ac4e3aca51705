import { concatBytes, copyOf } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { readWord } from '../../bytes/words.js'
import { UmlcowError } from '../../errors.js'

// Frames of zstd, little-endian; only where they begin and end.  Source: RFC 8878, sections 3.1.1 and 3.1.2
//
// u32 magic 0xfd2fb528, then a byte: bits 7-6 length of the content size, 5 single segment, 3 reserved, 2 checksum, 1-0
// length of the dictionary's number. Then a byte for the window, unless single segment; the dictionary's number; the
// content size; blocks; and with checksum 4 bytes.
// Block: u24, bit 0 last, bits 2-1 type (0 stored, 1 one byte repeated, 2 compressed), rest size; then the data.
// Skippable frame: u32 0x184d2a50 to 0x184d2a5f, u32 length, and so many bytes of anything.

const zstdMagic = 0xfd2fb528
const magicBytes = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)
const skippableMagic = 0x184d2a50

/** The largest window of a frame that umlcow unpacks, bytes: the memory that it takes. "zstd -19" has 8 MiB. */
const largestWindow = 64 * 1024 * 1024

const largestBlock = 128 * 1024

const repeatedByte = 1
const reservedBlock = 3

export interface ZstdHeader {
  readonly hasChecksum: boolean
  /** What the frame unpacks to, bytes; null where the header does not say it. */
  readonly contentSize: number | null
}

function bad(name: string, offset: number, what: string): UmlcowError {
  return new UmlcowError('BAD_COMPRESSED', `${name}: damaged zstd data: ${what} at offset ${offset}`)
}

async function exactly(reader: InputReader, length: number, name: string): Promise<Uint8Array> {
  const bytes = await reader.upTo(length)
  if (bytes.length === length) return bytes
  throw new UmlcowError('TRUNCATED_COMPRESSED', `${name}: the zstd data ends too early, at offset ${reader.offset}`)
}

/** Read the magic number of the next frame, after skippable frames. @returns false at the end of the input */
export async function readZstdMagic(reader: InputReader, name: string): Promise<boolean> {
  while (true) {
    const offset = reader.offset
    const start = await reader.upTo(4)
    if (start.length === 0) return false
    const magic = start.length < 4 ? 0 : readWord(start, 0)
    if (magic === zstdMagic) return true
    if (magic < skippableMagic || magic >= skippableMagic + 16) throw bad(name, offset, 'no frame')
    await skipZstd(reader, readWord(await exactly(reader, 4, name), 0), name)
  }
}

/** @throws UmlcowError TRUNCATED_COMPRESSED */
export async function skipZstd(reader: InputReader, length: number, name: string): Promise<void> {
  if ((await reader.skip(length)) < length) await exactly(reader, 1, name)
}

/** The frames of an input one after another; take each to its end before the next one. Skips skippable frames. */
export async function* zstdFrames(reader: InputReader, name: string): AsyncGenerator<AsyncGenerator<Uint8Array>> {
  while (await readZstdMagic(reader, name)) yield gatherBytes(frameBytes(reader, name))
}

async function* frameBytes(reader: InputReader, name: string): AsyncGenerator<Uint8Array> {
  const { header, bytes } = await readZstdHeader(reader, name)
  yield concatBytes([magicBytes, bytes])
  for (let isLast = false; !isLast; ) {
    const block = await readBlockHeader(reader, name)
    yield block.bytes
    yield await exactly(reader, block.length, name)
    isLast = block.isLast
  }
  if (header.hasChecksum) yield await exactly(reader, 4, name)
}

interface ZstdBlock {
  readonly bytes: Uint8Array
  /** Bytes of the data after it. */
  readonly length: number
  readonly isLast: boolean
}

export async function readBlockHeader(reader: InputReader, name: string): Promise<ZstdBlock> {
  const offset = reader.offset
  const bytes = await exactly(reader, 3, name)
  const word = bytes[0]! + bytes[1]! * 2 ** 8 + bytes[2]! * 2 ** 16
  const type = (word >>> 1) & 3
  const size = word >>> 3
  if (type === reservedBlock || size > largestBlock) throw bad(name, offset, 'a wrong block')
  return { bytes, length: type === repeatedByte ? 1 : size, isLast: (word & 1) === 1 }
}

/** Read the header after the magic number. @throws UmlcowError BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC */
export async function readZstdHeader(
  reader: InputReader,
  name: string,
): Promise<{ readonly header: ZstdHeader; readonly bytes: Uint8Array }> {
  const offset = reader.offset
  const first = copyOf(await exactly(reader, 1, name))
  const flags = first[0]!
  if ((flags & 0x08) !== 0) throw bad(name, offset, 'a reserved bit in the header')
  const isSingle = (flags & 0x20) !== 0
  const sizeLength = [isSingle ? 1 : 0, 2, 4, 8][flags >>> 6]!
  const dictionaryLength = [0, 1, 2, 4][flags & 3]!
  const restLength = (isSingle ? 0 : 1) + dictionaryLength + sizeLength
  const rest = copyOf(await exactly(reader, restLength, name))
  const contentSize = sizeLength === 0 ? null : sizeOf(rest.subarray(-sizeLength))
  const window = isSingle ? (contentSize ?? 0) : windowOf(rest[0]!)
  if (window > largestWindow || dictionaryLength > 0) {
    const what = dictionaryLength > 0 ? 'with a zstd dictionary' : `with a zstd window of ${window} bytes`
    throw new UmlcowError('NO_CODEC', `${name}: is compressed ${what}`, {
      hint: 'unpack it first: "zstd -d --long=31 FILE -o NEW" does that, with -D DICTIONARY where it needs one',
    })
  }
  const header = { hasChecksum: (flags & 0x04) !== 0, contentSize }
  return { header, bytes: concatBytes([first, rest]) }
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3))
  return base + (base / 8) * (byte & 7)
}

/** The field of 2 bytes counts from 256. */
function sizeOf(bytes: Uint8Array): number {
  const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0)
  return bytes.length === 2 ? value + 256 : value
}
