import type { Transform } from 'node:stream'

/** What a stream of node:zlib has beside those of a transform. */
export interface ZlibStream extends Transform {
  /** Bytes of its input that it has used. */
  readonly bytesWritten: number
}

/** Called with bytes that the stream did not use, since its data ended before them. */
export type OnLeftOver = (bytes: Uint8Array) => void

/**
 * Send a source through a stream of node:zlib, one piece at a time: a source may use the memory of a piece again.
 *
 * When the consumer stops early, or the stream fails, both the source and the stream are closed.
 */
export async function* throughTransform(
  source: AsyncIterable<Uint8Array>,
  stream: ZlibStream,
  onLeftOver: OnLeftOver,
): AsyncGenerator<Uint8Array> {
  const writing = writeAll(source, stream, onLeftOver)
  // A failure of the source becomes one of the stream, so that the loop below sees it.
  writing.catch((error) => stream.destroy(error))
  try {
    for await (const piece of stream) yield piece
    await writing
  } finally {
    stream.destroy()
    // It ends soon: no write waits for a stream that is closed. Its failure is known already.
    await writing.catch(() => {})
  }
}

async function writeAll(source: AsyncIterable<Uint8Array>, stream: ZlibStream, onLeftOver: OnLeftOver): Promise<void> {
  let given = 0
  let hasEnded = false
  for await (const piece of source) {
    if (hasEnded) {
      onLeftOver(piece)
      continue
    }
    if (stream.destroyed) return
    await writeOne(stream, piece)
    given += piece.length
    const unused = given - stream.bytesWritten
    // The loop over the stream destroys one that has ended, too, sooner or later.
    hasEnded = unused > 0 && (stream.readableEnded || !stream.destroyed)
    if (hasEnded) onLeftOver(piece.subarray(piece.length - unused))
  }
  stream.end()
}

/** Write a piece, and wait until the stream has used it, has ended before it, or is closed. */
function writeOne(stream: ZlibStream, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('close', done)
      stream.off('end', done)
      resolve()
    }
    stream.once('close', done)
    stream.once('end', done)
    // The loop over the stream throws its errors.
    stream.write(piece, done)
  })
}
