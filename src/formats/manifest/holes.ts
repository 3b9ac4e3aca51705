import type { SparseBytes } from './entry.js'

/**
 * Put the holes back between the bytes of a sparse content.
 *
 * @param size  bytes of the file with its holes
 * @returns     bytes, and holes as their lengths
 * @throws      RangeError when the data has another length than the stretches
 */
export async function* withHoles({ stretches, data }: SparseBytes, size: number): AsyncGenerator<Uint8Array | number> {
  let at = 0
  let next = 0
  for await (const bytes of data) {
    for (let done = 0; done < bytes.length; ) {
      if (next === stretches.length) throw new RangeError('more data than the stretches of a sparse file hold')
      const [start, end] = [stretches[next]!, stretches[next + 1]!]
      if (start > at) yield start - at
      at = Math.max(at, start)
      const length = Math.min(bytes.length - done, end - at)
      yield done === 0 && length === bytes.length ? bytes : bytes.subarray(done, done + length)
      done += length
      at += length
      if (at === end) next += 2
    }
  }
  if (next < stretches.length) throw new RangeError('less data than the stretches of a sparse file hold')
  if (size > at) yield size - at
}
