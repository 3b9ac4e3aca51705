import { setTimeout as sleepFor } from 'node:timers/promises'
import { throwIfAborted } from '../errors.js'

/** The clock for modification times and for pauses. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** @throws UmlcowError INTERRUPTED */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(milliseconds, signal) {
    try {
      await sleepFor(milliseconds, undefined, { signal })
    } catch (error) {
      throwIfAborted(signal)
      throw error
    }
  },
}
