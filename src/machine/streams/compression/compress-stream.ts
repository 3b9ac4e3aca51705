import { availableParallelism } from 'node:os'
import { encodeLz4 } from '../../../formats/lz4/index.js'
import { checkedOptions, flag, oneOf, operationRules, required, whole } from '../../option-rules.js'
import { mostThreads, openCompressPool } from '../../workers/compress-pool.js'
import { type CompressionKind, compressionKinds } from './kind.js'
import { throughTransform } from './through-transform.js'
import { withSignal } from './with-signal.js'
import { createGzip, createZstd } from './zlib-streams.js'

export interface CompressOptions {
  readonly format: CompressionKind | 'none'
  /** Worker threads that compress LZ4 blocks; default one for each processor, at most 4. Other formats have one. */
  readonly threads?: number | undefined
  /** 1 to 9 for gzip, 1 to 19 for zstd. LZ4 has only 1. */
  readonly level?: number | undefined
  /** Bytes of the whole source, where the caller knows them: the header of LZ4 then says it. */
  readonly contentSize?: number | undefined
  /**
   * Use the memory of a piece again for the next one: faster, for a caller that has done with a piece when it asks for
   * the next. A stream that is piped has not.
   */
  readonly reuseMemory?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const lz4BlockSize = 1024 * 1024

const mostThreadsByDefault = 4

/** Levels go from 1 to this. */
export const highestLevel = { none: 1, lz4: 1, gzip: 9, zstd: 19 }

/**
 * Compress a stream: one frame of LZ4 or zstd, or one member of gzip, with a checksum of the content.
 *
 * Memory is bounded. Its worker threads end with it, also when the consumer stops early. With "none", pieces of the source
 * pass as they are.
 *
 * @throws TypeError, RangeError, UmlcowError NO_CODEC at once; UmlcowError INTERRUPTED, and what the source throws
 */
export function compressStream(
  source: AsyncIterable<Uint8Array>,
  options: CompressOptions,
): AsyncGenerator<Uint8Array> {
  const format = oneOf(['none', ...compressionKinds])(options.format, 'format') as CompressOptions['format']
  const checked = checkedOptions(options, {
    ...operationRules,
    format: required((value) => value),
    threads: whole(1, mostThreads),
    level: whole(1, highestLevel[format]),
    contentSize: whole(0),
    reuseMemory: flag,
  })
  const input = withSignal(source, checked.signal)
  if (format === 'none') return input
  if (format === 'lz4') return compressLz4(input, checked)
  const stream = format === 'gzip' ? createGzip(checked.level) : createZstd(checked.level)
  return throughTransform(input, stream, () => {})
}

async function* compressLz4(
  source: AsyncIterable<Uint8Array>,
  { threads = Math.min(availableParallelism(), mostThreadsByDefault), contentSize, reuseMemory }: CompressOptions,
): AsyncGenerator<Uint8Array> {
  const pool = openCompressPool(threads)
  try {
    yield* encodeLz4(source, {
      blockSize: lz4BlockSize,
      contentSize,
      reuseMemory,
      compressBlock: pool.compressBlock,
      blocksAtOnce: pool.blocksAtOnce,
      allocate: pool.allocate,
    })
  } finally {
    await pool.close()
  }
}
