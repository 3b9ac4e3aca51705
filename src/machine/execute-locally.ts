import { type ExecuteOptions, executeSteps, type Mover } from '../engine/execute.js'
import type { Steps } from '../engine/step.js'
import { isSyncStore, readPadded, readPaddedNow, writeExact, writeExactNow } from '../stores/block-store.js'
import { copyRunsNow } from './copy-runs-now.js'

/** Moves the bytes of local files synchronously, without the thread pool. It awaits every other store. */
const localMover: Mover = {
  transfer({ kind, store, offset, bytes }) {
    if (!isSyncStore(store))
      return kind === 'read' ? readPadded(store, offset, bytes) : writeExact(store, offset, bytes)
    if (kind === 'read') readPaddedNow(store, offset, bytes)
    else writeExactNow(store, offset, bytes)
    return undefined
  },
  copyRuns: copyRunsNow,
}

/**
 * Carry out a plan.
 *
 * It transfers local files synchronously, which is 1.5 to 8 times faster than with promises. It works in slices with a
 * turn of the event loop between them, so progress, SIGINT and an AbortSignal still work.
 *
 * @throws UmlcowError INTERRUPTED, and what the stores throw
 */
export function executeLocally(steps: Steps, options?: ExecuteOptions): Promise<void> {
  return executeSteps(steps, options, localMover)
}
