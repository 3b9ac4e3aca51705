import { nextTurn } from '../bytes/next-turn.js'
import { orInterrupted, throwIfAborted } from '../errors.js'
import { readPadded, writeExact } from '../stores/block-store.js'
import { copyRun } from './copy-runs.js'
import type { CopyRuns, Steps, Transfer } from './step.js'

/** Time between two checks of signals and progress, milliseconds. */
const sliceDuration = 25

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined
  /** Called about every 25 ms and at the end, with the guest bytes that the plan has passed. */
  readonly onPosition?: ((position: number) => void) | undefined
  /** Awaited before the first step and between slices. */
  readonly betweenSlices?: (() => Promise<void>) | undefined
}

/** Moves the bytes that a step asks for. */
export interface Mover {
  /** Carry out a transfer. @returns undefined when it is complete already */
  transfer(step: Transfer): Promise<void> | undefined
  /**
   * Copy runs from `first` on, as far as that needs no promise.
   *
   * @param deadline  a time of `performance.now()`
   * @returns         the run to go on with: either the deadline has passed, or this run needs transfers
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
 * Carry out a plan on stores of every kind. The work runs in slices: between two of them the event loop gets a turn, so
 * that progress and an AbortSignal work.
 *
 * `machine/execute.ts` does the same, faster, where the stores are local files.
 *
 * @throws UmlcowError INTERRUPTED, and every error of the stores
 */
export async function executeSteps(
  steps: Steps,
  options: ExecuteOptions = {},
  mover: Mover = awaitingMover,
): Promise<void> {
  const { signal } = options
  /** Only grows: the search for data may be ahead of the walk over the bitmap. */
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
      const pending = step.kind === 'call' ? step.run() : mover.transfer(step)
      if (pending !== undefined) await orInterrupted(pending, signal)
    }
    if (performance.now() >= sliceEnd) await pause()
  }
  options.onPosition?.(position)
}
