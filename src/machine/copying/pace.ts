import { nextTurn } from '../../bytes/next-turn.js'
import { throwIfAborted } from '../../errors.js'

/** Time between two turns of the event loop, milliseconds. */
const sliceDuration = 25

/** Lets signals and progress through while a file is read in synchronous calls. */
export interface CopyPace {
  /** Call it after each piece. @param position  for the progress */
  rest(position: number): Promise<void> | undefined
}

export function createCopyPace(
  signal: AbortSignal | undefined,
  onPosition: ((position: number) => void) | undefined,
): CopyPace {
  let sliceEnd = performance.now() + sliceDuration
  const pause = async (position: number) => {
    onPosition?.(position)
    await nextTurn()
    throwIfAborted(signal)
    sliceEnd = performance.now() + sliceDuration
  }
  return { rest: (position) => (performance.now() < sliceEnd ? undefined : pause(position)) }
}
