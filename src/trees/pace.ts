import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../errors.js'
import type { OperationOptions } from '../machine/operation-options.js'

/** Milliseconds of work between two rests. Signals and progress get through during a rest. */
const workTime = 20

/** Keeps a loop of synchronous calls from blocking the process. */
export interface Pace {
  /** Counts an entry. @returns true when it is time to rest */
  step(): boolean
  /** Lets other tasks run. @throws UmlcowError INTERRUPTED */
  rest(): Promise<void>
  /** Reports that everything is done. */
  finish(): void
}

export interface PaceOptions extends OperationOptions {
  readonly description: string
  /** The number of all entries, if known. Without it there is no progress. */
  readonly size?: number | undefined
}

/** Start the clock of a loop. */
export function createPace({ signal, onProgress, description, size }: PaceOptions): Pace {
  const started = performance.now()
  let last = started
  let count = 0
  const report = (transferred: number) => {
    if (size === undefined) return
    onProgress?.({ transferred, size, elapsed: Math.round(performance.now() - started), description })
  }
  return {
    step() {
      count++
      return performance.now() - last > workTime
    },
    async rest() {
      throwIfAborted(signal)
      await setImmediate()
      throwIfAborted(signal)
      last = performance.now()
      report(Math.min(count, size ?? 0))
    },
    finish: () => report(size ?? 0),
  }
}
