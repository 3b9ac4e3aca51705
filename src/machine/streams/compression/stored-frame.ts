import { gzipSync } from 'node:zlib'
import { encodeLz4 } from '../../../formats/lz4/index.js'
import type { CompressionKind } from './kind.js'

const lz4BlockSize = 1024 * 1024

/**
 * Put bytes into a frame or member of their own without compressing them, so that its length depends only on theirs: a
 * writer can reserve the room and fill it later. All readers take several frames for one stream.
 *
 * @returns null for zstd, which has no such frame in Node
 */
export async function storedFrame(bytes: Uint8Array, format: CompressionKind | 'none'): Promise<Uint8Array | null> {
  if (format === 'none') return bytes
  if (format === 'gzip') return gzipSync(bytes, { level: 0 })
  if (format !== 'lz4') return null
  const parts: Uint8Array[] = []
  const source = (async function* () {
    yield bytes
  })()
  for await (const part of encodeLz4(source, { blockSize: lz4BlockSize, compressBlock: (block) => block })) {
    parts.push(part)
  }
  return Buffer.concat(parts)
}
