import type { ImageSink } from '../../images/new-image.js'
import { type ConvertCounts, SinkOutput } from './sink-output.js'

/**
 * Hand the bytes of a raw image that is read once, from start to end, to a sink, and leave out its zeros. Does not
 * finish the sink.
 *
 * @param pieces    all but the last have one length, a multiple of `zeroUnit`; their memory is used again
 * @param zeroUnit  aligned blocks of this many bytes become holes where they hold only zeros. 0: store all zeros
 * @param counts    gets what became of the bytes
 * @returns         the length of the image
 */
export async function copyStream(
  pieces: AsyncIterable<Uint8Array>,
  sink: ImageSink,
  zeroUnit: number,
  counts: ConvertCounts,
): Promise<number> {
  const output = new SinkOutput(sink, zeroUnit)
  let at = 0
  for await (const piece of pieces) {
    for (const call of output.put(at, piece, { start: 0, end: piece.length })) {
      const pending = call.run()
      if (pending !== undefined) await pending
    }
    at += piece.length
  }
  Object.assign(counts, output.counts)
  return at
}
