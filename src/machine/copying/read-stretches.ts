import { transferBuffer } from '../../bytes/aligned-buffer.js'
import type { Stretches } from '../../bytes/stretch-list.js'
import { readExactNow, type SyncBlockStore } from '../../stores/block-store.js'
import type { CopyPace } from './pace.js'

const windowSize = 256 * 1024

/**
 * Read the bytes of stretches, one after another. The next piece overwrites the memory of the last one.
 *
 * @throws UmlcowError SHORT_READ when the file ends before a stretch does
 */
export async function* readStretches(
  store: SyncBlockStore,
  stretches: Stretches,
  pace: CopyPace,
): AsyncGenerator<Uint8Array> {
  const room = transferBuffer(windowSize)
  let used = 0
  for (let i = 0; i < stretches.length; i += 2) {
    const end = stretches[i + 1]!
    for (let at = stretches[i]!; at < end; ) {
      const length = Math.min(end - at, windowSize - used)
      readExactNow(store, at, room.subarray(used, used + length))
      at += length
      used += length
      if (used < windowSize) continue
      yield room
      used = 0
      await pace.rest(at)
    }
  }
  if (used > 0) yield room.subarray(0, used)
}
