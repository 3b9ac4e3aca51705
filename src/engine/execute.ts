import { nextTurn } from '../bytes/next-turn.js'
import { orInterrupted, throwIfAborted } from '../errors.js'
import { readPadded, writeExact } from '../stores/block-store.js'
import { copyRun } from './copy-runs.js'
import type { CopyRuns, Steps, Transfer } from './step.js'

/** Time between two looks at signals and progress, milliseconds. */
const sliceDuration = 25

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with the guest bytes behind the plan, about every 25 ms and at the end. */
  readonly onPosition?: ((position: number) => void) | undefined
  /** Awaited before the first step and between slices. */
  readonly betweenSlices?: (() => Promise<void>) | undefined
}

/** Moves the bytes that a step asks for. */
export interface Mover {
  /** Carry out a transfer. Undefined: it is done already. */
  transfer(step: Transfer): Promise<void> | undefined
  /**
   * Copy runs from `first` on, as far as that takes no promises.
   *
   * @param deadline  as `performance.now()` tells
   * @returns         the run to go on with: the deadline has passed, or this run is left to transfers
   */
  copyRuns(runs: CopyRuns, first: number, deadline: number): number
}

/** Moves bytes between stores of every kind, and awaits each transfer. */
const awaitingMover: Mover = {
  transfer: ({ kind, store, offset, bytes }) =>
    kind === 'read' ? readPadded(store, offset, bytes) : writeExact(store, offset, bytes),
  copyRuns: (_runs, first) => first,
}

/**
 * Carry out a plan on stores of every kind, in slices with a turn of the event loop between them, so that progress and an
 * AbortSignal stay alive. `machine/execute.ts` does the same faster where the stores are local files.
 *
 * @throws UmlcowError INTERRUPTED, and whatever the stores throw
 */
export async function executeSteps(
  steps: Steps,
  options: ExecuteOptions = {},
  mover: Mover = awaitingMover,
): Promise<void> {
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
      const pending = mover.transfer(step)
      if (pending !== undefined) await orInterrupted(pending, signal)
    }
  }
  for (const step of steps) {
    if (step.kind === 'copy') {
      for (let i = mover.copyRuns(step, 0, sliceEnd); i < step.count; i = mover.copyRuns(step, i, sliceEnd)) {
        await transfer(copyRun(step, i++))
        if (performance.now() >= sliceEnd) await pause()
      }
      position = Math.max(position, step.position)
    } else {
      position = Math.max(position, step.position)
      const pending = mover.transfer(step)
      if (pending !== undefined) await orInterrupted(pending, signal)
    }
    if (performance.now() >= sliceEnd) await pause()
  }
  options.onPosition?.(position)
}
