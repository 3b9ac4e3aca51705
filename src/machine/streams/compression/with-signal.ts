import { nextTurn } from '../../../bytes/next-turn.js'
import { throwIfAborted } from '../../../errors.js'

/** After so long without a turn of the event loop, signals and timers get one, milliseconds. */
const turnEvery = 25

/** The pieces of a source, until the signal fires; the event loop goes on while they are used. */
export async function* withSignal(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let last = performance.now()
  for await (const piece of source) {
    throwIfAborted(signal)
    yield piece
    if (performance.now() - last < turnEvery) continue
    await nextTurn()
    last = performance.now()
  }
  throwIfAborted(signal)
}
