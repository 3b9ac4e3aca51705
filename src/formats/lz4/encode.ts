import { cutBlocks } from '../../bytes/cut-blocks.js'
import { allocateUnsafe, copyOf } from '../../bytes/fast.js'
import { writeWord } from '../../bytes/words.js'
import { serializeFrameHeader } from './frame-header.js'
import { type Lz4BlockSize, storedBit } from './layout.js'
import { createAccelerator } from './wasm/accelerator.js'
import { XxHash32 } from './xxhash32.js'

/**
 * Compresses a block by itself.
 *
 * @returns  the compressed block, or an array that is not shorter than `block` where it does not get shorter: the frame
 *           then has the block as it is. The result may share memory with later results if `block` is used again only
 *           after them, as `blocksAtOnce` says.
 */
export type CompressBlock = (block: Uint8Array) => Uint8Array | Promise<Uint8Array>

export interface EncodeLz4Options {
  readonly compressBlock: CompressBlock
  /** Bytes of a block. */
  readonly blockSize: Lz4BlockSize
  /** Bytes of the whole source, where the caller knows them; the header then says it. */
  readonly contentSize?: number | undefined
  /** How many blocks may be compressed at once; default 1. Each has its own memory, which the next blocks reuse. */
  readonly blocksAtOnce?: number
  /** Allocates the memory of a block. */
  readonly allocate?: (length: number) => Uint8Array
  /**
   * Use the memory of a piece again for the next one: faster, for a caller that has done with a piece when it asks for
   * the next. A stream that is piped has not.
   */
  readonly reuseMemory?: boolean | undefined
}

/** A block on its way: what `compressBlock` made of it, or will make. */
interface Job {
  readonly block: Uint8Array
  readonly result: Uint8Array | Promise<Uint8Array>
}

/**
 * Make one LZ4 frame of a source, with independent blocks and a checksum of the content. The `lz4` command reads it.
 *
 * @throws RangeError when the source does not have `contentSize` bytes, and what `compressBlock` throws
 */
export async function* encodeLz4(
  source: AsyncIterable<Uint8Array>,
  options: EncodeLz4Options,
): AsyncGenerator<Uint8Array> {
  for await (const piece of encodeFrame(source, options)) yield options.reuseMemory ? piece : copyOf(piece)
}

async function* encodeFrame(source: AsyncIterable<Uint8Array>, options: EncodeLz4Options): AsyncGenerator<Uint8Array> {
  const { compressBlock, blockSize, contentSize = null, blocksAtOnce = 1, allocate = allocateUnsafe } = options
  yield serializeFrameHeader({
    blockSize,
    independent: true,
    blockChecksums: false,
    contentChecksum: true,
    contentSize,
  })
  const hash = new XxHash32(createAccelerator(0))
  const output = allocateUnsafe(4 + blockSize)
  const jobs: Job[] = []
  let size = 0
  for await (const block of cutBlocks(source, blockSize, { count: blocksAtOnce, allocate })) {
    size += block.length
    const result = compressBlock(block)
    // It may fail while an earlier block is awaited; the loop below throws that.
    if (result instanceof Promise) result.catch(() => {})
    jobs.push({ block, result })
    // The checksum of this block is computed while others compress it.
    hash.update(block)
    if (jobs.length === blocksAtOnce) yield await packBlock(jobs.shift()!, output)
  }
  for (const job of jobs) yield await packBlock(job, output)
  if (contentSize !== null && size !== contentSize)
    throw new RangeError(`the source has ${size} bytes, not ${contentSize}`)
  const end = new Uint8Array(8)
  writeWord(end, 4, hash.digest())
  yield end
}

async function packBlock({ block, result }: Job, output: Uint8Array): Promise<Uint8Array> {
  const compressed = await result
  const isStored = compressed.length >= block.length
  const data = isStored ? block : compressed
  writeWord(output, 0, isStored ? data.length + storedBit : data.length)
  output.set(data, 4)
  return output.subarray(0, 4 + data.length)
}
