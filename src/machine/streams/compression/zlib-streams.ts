import zlib from 'node:zlib'
import { UmlcowError } from '../../../errors.js'
import type { ZlibStream } from './through-transform.js'

/** Bytes that a stream gives at once. */
const chunkSize = 256 * 1024

/** The part of node:zlib that Node has since 22.15 and 23.8. */
interface ZstdOfNode {
  readonly createZstdCompress?: (options: object) => ZlibStream
  readonly createZstdDecompress?: (options: object) => ZlibStream
  readonly constants: { readonly ZSTD_c_compressionLevel?: number; readonly ZSTD_c_checksumFlag?: number }
}

const zstdOfNode = zlib as unknown as ZstdOfNode

/** True where this version of Node reads and writes zstd. */
export const hasZstd = zstdOfNode.createZstdDecompress !== undefined

export function createGzip(level: number | undefined): ZlibStream {
  return zlib.createGzip({ chunkSize, ...(level === undefined ? {} : { level }) })
}

export function createGunzip(): ZlibStream {
  return zlib.createGunzip({ chunkSize })
}

/** @throws UmlcowError NO_CODEC */
export function createZstd(level: number | undefined): ZlibStream {
  const { createZstdCompress, constants } = zstdOfNode
  if (createZstdCompress === undefined) {
    throw noZstd('umlcow cannot write zstd with this version of Node', 'use Node 22.15 or later, or lz4 or gzip')
  }
  const { ZSTD_c_compressionLevel: levelKey = 100, ZSTD_c_checksumFlag: checksumKey = 201 } = constants
  const params = { [checksumKey]: 1, ...(level === undefined ? {} : { [levelKey]: level }) }
  return createZstdCompress({ chunkSize, params })
}

/** @param name  the input, for messages @throws UmlcowError NO_CODEC */
export function createUnzstd(name: string): ZlibStream {
  const { createZstdDecompress } = zstdOfNode
  if (createZstdDecompress === undefined) {
    const hint = 'unpack it first: "zstdcat FILE > NEW" does that; or use Node 22.15 or later'
    throw noZstd(`${name}: is compressed with zstd, which this version of Node does not read`, hint)
  }
  return createZstdDecompress({ chunkSize })
}

function noZstd(message: string, hint: string): UmlcowError {
  return new UmlcowError('NO_CODEC', `${message} (${process.version})`, { hint })
}
