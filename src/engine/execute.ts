import { setImmediate as nextTurn } from 'node:timers/promises'
import { orInterrupted, throwIfAborted } from '../errors.js'
import { isSyncStore, readPadded, readPaddedNow, writeExact, writeExactNow } from '../stores/block-store.js'
import { copyRun, copyRunsNow } from './copy-runs.js'
import type { Steps, Transfer } from './step.js'

/** Time between two looks at signals and progress, milliseconds. */
const sliceDuration = 25

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with the guest bytes behind the plan, about every 25 ms and at the end. */
  readonly onPosition?: ((position: number) => void) | undefined
  /** Awaited before the first step and between slices. */
  readonly betweenSlices?: (() => Promise<void>) | undefined
}

function runNow(step: Transfer): Promise<void> | undefined {
  const { store } = step
  if (isSyncStore(store)) {
    if (step.kind === 'read') readPaddedNow(store, step.offset, step.bytes)
    else writeExactNow(store, step.offset, step.bytes)
    return undefined
  }
  return step.kind === 'read' ? readPadded(store, step.offset, step.bytes) : writeExact(store, step.offset, step.bytes)
}

/**
 * Carry out a plan.
 *
 * Local files are transferred synchronously, in slices with a yield between them, so that progress, SIGINT and an
 * AbortSignal stay alive; any other store is awaited.
 *
 * @throws UmlcowError INTERRUPTED, and whatever the stores throw
 */
export async function executeSteps(steps: Steps, options: ExecuteOptions = {}): Promise<void> {
  const { signal } = options
  /** Only grows: who looks for data may be ahead of who reads the bitmap. */
  let position = 0
  let sliceEnd = performance.now() + sliceDuration
  throwIfAborted(signal)
  await options.betweenSlices?.()
  const pause = async () => {
    options.onPosition?.(position)
    await nextTurn()
    throwIfAborted(signal)
    await options.betweenSlices?.()
    sliceEnd = performance.now() + sliceDuration
  }
  const transfer = async (transfers: Iterable<Transfer>) => {
    for (const step of transfers) {
      position = Math.max(position, step.position)
      const pending = runNow(step)
      if (pending !== undefined) await orInterrupted(pending, signal)
    }
  }
  for (const step of steps) {
    if (step.kind === 'copy') {
      for (let i = copyRunsNow(step, 0, sliceEnd); i < step.count; i = copyRunsNow(step, i, sliceEnd)) {
        await transfer(copyRun(step, i++))
        if (performance.now() >= sliceEnd) await pause()
      }
      position = Math.max(position, step.position)
    } else {
      position = Math.max(position, step.position)
      const pending = runNow(step)
      if (pending !== undefined) await orInterrupted(pending, signal)
    }
    if (performance.now() >= sliceEnd) await pause()
  }
  options.onPosition?.(position)
}
