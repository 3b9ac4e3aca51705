import { allocate } from '../../../bytes/fast.js'
import type { InputReader } from '../../../bytes/input-reader.js'
import { ArchiveContent } from '../../manifest/content.js'
import type { ItemContent, SparseBytes } from '../../manifest/entry.js'
import { withHoles } from '../../manifest/holes.js'
import type { SparseMap } from './read-map.js'

const zeros = allocate(64 * 1024)

/** The content of a sparse file, which comes next in an archive. It can be read once, with its holes or without. */
export class SparseContent implements ItemContent {
  readonly sparse: SparseBytes
  private readonly size: number
  private readonly data: ArchiveContent

  /** @param size  bytes of the file with its holes */
  constructor(input: InputReader, name: string, path: Uint8Array, size: number, { stretches, dataSize }: SparseMap) {
    this.size = size
    this.data = new ArchiveContent(input, name, path, dataSize)
    this.sparse = { stretches, data: this.data }
  }

  /** Reads the file with zeros for its holes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const part of withHoles(this.sparse, this.size)) {
      if (typeof part === 'number') yield* zerosOf(part)
      else yield part
    }
  }

  finish(): void | Promise<void> {
    return this.data.finish()
  }
}

function* zerosOf(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= zeros.length) yield zeros.subarray(0, Math.min(left, zeros.length))
}
