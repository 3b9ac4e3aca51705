import { printablePath } from '../../bytes/escape.js'
import type { Gatherer } from '../../bytes/gather.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { archiveError } from './archive-error.js'
import type { ItemContent, ManifestEntry, ManifestItem } from './entry.js'

const pieceSize = 256 * 1024

/** The content of a file, which comes next in an archive. `finish` skips the bytes that nothing has read. */
export class ArchiveContent implements ItemContent {
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

  /** Reads what the present piece of the input has. */
  whole(): Uint8Array | null {
    const bytes = this.input.now(this.left)
    if (bytes !== null) this.left = 0
    return bytes
  }

  finish(): void | Promise<void> {
    if (this.left > 0) return this.skipRest()
  }

  private async skipRest(): Promise<void> {
    const { left } = this
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
export async function* exactContent(item: ManifestItem): AsyncGenerator<Uint8Array> {
  let left = item.entry.size
  for await (const bytes of contentOf(item)) {
    left -= bytes.length
    if (left < 0) break
    yield bytes
  }
  if (left !== 0) throw otherLength(item.entry, left)
}

/**
 * Read the content of an item at once.
 *
 * @returns null where the caller must take `exactContent`
 * @throws  UmlcowError INPUT_CHANGED when the content has another length
 */
export function wholeContent(item: ManifestItem): Uint8Array | null {
  const bytes = contentOf(item).whole?.() ?? null
  if (bytes !== null && bytes.length !== item.entry.size) throw otherLength(item.entry, item.entry.size - bytes.length)
  return bytes
}

/** Add the content of an item to an output, and yield the pieces of the output that are full. */
export async function* gatherContent(out: Gatherer, item: ManifestItem): AsyncGenerator<Uint8Array> {
  for await (const bytes of exactContent(item)) {
    out.add(bytes)
    if (out.hasPieces) yield* out.takePieces()
  }
}

function contentOf({ entry, content }: ManifestItem): ItemContent {
  if (content === null) throw new TypeError(`the content of ${printablePath(entry.path)} is missing`)
  return content
}

function otherLength({ path, size }: ManifestEntry, left: number): UmlcowError {
  const message = `${printablePath(path)}: expected ${size} bytes of content, got ${left < 0 ? 'more' : size - left}`
  return new UmlcowError('INPUT_CHANGED', message, { details: { expected: size } })
}
