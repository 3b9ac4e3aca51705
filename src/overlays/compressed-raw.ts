import { printablePath } from '../bytes/escape.js'
import { InputReader } from '../bytes/input-reader.js'
import { UmlcowError } from '../errors.js'
import { measureLz4 } from '../formats/lz4/index.js'
import { compressionOf } from '../formats/recognise/compressions.js'
import { measureZstd } from '../formats/zstd/measure.js'
import type { ProbedFile } from './open.js'
import { storePieces } from './raw-source.js'

/** How a file is compressed, by its first bytes. */
export interface CompressedRaw {
  /** The program that makes it: lz4, gzip, zstd, xz, ... */
  readonly by: string
  /** Bytes when unpacked, by the headers of all frames; null where they do not say it. Only lz4 and zstd can. */
  readonly unpackedSize: number | null
  /** What is wrong with the frames; null for nothing that their headers show. */
  readonly damage: string | null
}

/** Headers of blocks that are read at most: enough for 64 GiB in blocks of 1 MiB. A hostile file may have millions. */
const mostBlocks = 2 ** 16

/** Bytes that are read for the header of a block. */
const pieceSize = 64

/** Look at a file that may be compressed, without unpacking it; null for a file that is not. */
export async function inspectCompressed({ head, store, path }: ProbedFile): Promise<CompressedRaw | null> {
  const by = compressionOf(head)?.name
  if (by === undefined) return null
  const measure = by === 'lz4' ? measureLz4 : by === 'zstd' ? measureZstd : null
  if (measure === null) return { by, unpackedSize: null, damage: null }
  const reader = new InputReader(storePieces(store, pieceSize))
  try {
    return { by, unpackedSize: await measure(reader, printablePath(path), mostBlocks), damage: null }
  } catch (error) {
    if (!(error instanceof UmlcowError) || !['BAD_COMPRESSED', 'TRUNCATED_COMPRESSED', 'NO_CODEC'].includes(error.code))
      throw error
    return { by, unpackedSize: null, damage: error.message }
  } finally {
    await reader.close()
  }
}
