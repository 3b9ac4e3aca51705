import type { InputReader } from '../../bytes/input-reader.js'
import { archiveError } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'

/** The content of a file in the "crc" form. `finish` compares the sum of its bytes. */
export class CheckedContent extends ArchiveContent {
  private sum = 0
  private readonly mismatch: (sum: number) => Error | null

  /** @param expected  the sum of the bytes, modulo 2^32 */
  constructor(input: InputReader, name: string, path: Uint8Array, size: number, expected: number) {
    super(input, name, path, size)
    this.mismatch = (sum) => {
      if (sum === expected) return null
      const what = `the checksum of the content is ${sum}, but the header says ${expected}: the archive is damaged`
      return archiveError('BAD_ARCHIVE', name, what, { path, offset: input.offset })
    }
  }

  override async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const bytes of super[Symbol.asyncIterator]()) {
      this.add(bytes)
      yield bytes
    }
  }

  override whole(): Uint8Array | null {
    const bytes = super.whole()
    if (bytes !== null) this.add(bytes)
    return bytes
  }

  override async finish(): Promise<void> {
    for await (const _ of this);
    const error = this.mismatch(this.sum)
    if (error !== null) throw error
  }

  private add(bytes: Uint8Array): void {
    this.sum = (this.sum + sumOf(bytes)) % 2 ** 32
  }
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) sum += byte
  return sum
}
