import { allocateUnsafe } from './fast.js'

const pieceSize = 64 * 1024

/** Join small pieces into pieces of about 64 KiB, so that a million headers do not take a million writes. */
export async function* gatherBytes(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let room = allocateUnsafe(pieceSize)
  let used = 0
  for await (const bytes of source) {
    if (used + bytes.length > pieceSize && used > 0) {
      yield room.subarray(0, used)
      room = allocateUnsafe(pieceSize)
      used = 0
    }
    if (bytes.length >= pieceSize) {
      yield bytes
    } else {
      room.set(bytes, used)
      used += bytes.length
    }
  }
  if (used > 0) yield room.subarray(0, used)
}
