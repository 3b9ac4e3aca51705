import { printablePath } from '../../bytes/escape.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { archiveError } from './archive-error.js'
import type { ManifestItem } from './entry.js'

const pieceSize = 256 * 1024

/** The content of a file, which comes next in an archive. `finish` skips the bytes that nothing has read. */
export class ArchiveContent implements AsyncIterable<Uint8Array> {
  private readonly input: InputReader
  private readonly name: string
  private readonly path: Uint8Array
  private left: number

  /** @param path  the path of the entry, for messages */
  constructor(input: InputReader, name: string, path: Uint8Array, size: number) {
    this.input = input
    this.name = name
    this.path = path
    this.left = size
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.left > 0) {
      const bytes = await this.input.some(Math.min(this.left, pieceSize))
      if (bytes.length === 0) throw this.truncated()
      this.left -= bytes.length
      yield bytes
    }
  }

  async finish(): Promise<void> {
    const left = this.left
    this.left = 0
    if ((await this.input.skip(left)) !== left) throw this.truncated()
  }

  private truncated(): UmlcowError {
    return archiveError('TRUNCATED_ARCHIVE', this.name, 'the archive ends inside the content', {
      path: this.path,
      offset: this.input.offset,
    })
  }
}

/**
 * Yield the content of an item, for a writer that has announced its size.
 *
 * @throws UmlcowError INPUT_CHANGED when the content has another length
 */
export async function* exactContent({ entry, content }: ManifestItem): AsyncGenerator<Uint8Array> {
  if (content === null) throw new TypeError(`the content of ${printablePath(entry.path)} is missing`)
  let left = entry.size
  for await (const bytes of content) {
    left -= bytes.length
    if (left < 0) break
    yield bytes
  }
  if (left === 0) return
  const message = `${printablePath(entry.path)}: expected ${entry.size} bytes of content, got ${left < 0 ? 'more' : entry.size - left}`
  throw new UmlcowError('INPUT_CHANGED', message, { details: { expected: entry.size } })
}
