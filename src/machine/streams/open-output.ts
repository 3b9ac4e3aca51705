import type { FileFacts } from '../file-facts.js'

/** A stream that an output goes to, until `release`. */
export interface OpenOutput {
  /** Find the file behind the stream; null for none. @param what  as for `factsOfOutput` */
  facts(what: string | null): Promise<FileFacts | null>
  /** Write bytes, and wait until the stream wants more. The stream may keep them. */
  write(bytes: Uint8Array): Promise<void>
  /** End the stream, and wait until it has passed on all bytes. Standard output and standard error stay open. */
  end(): Promise<void>
  /** Let readers of the stream know that they got only a part. */
  destroy(error: unknown): void
  /** Leave the stream to its owner. */
  release(): void
}
