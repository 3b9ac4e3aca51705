import { throwIfAborted } from '../../src/errors.js'
import type { Clock } from '../../src/machine/clock.js'

/** A clock that stands still but for what is asked of it. */
export interface ModelClock extends Clock {
  /** Milliseconds by which each call of `now` moves it on; the model disk makes one for each operation it logs. */
  tickPerCall: number
  advance(milliseconds: number): void
}

export interface ModelClockOptions {
  /** Milliseconds since 1970, fractions allowed. */
  readonly start?: number | undefined
  readonly tickPerCall?: number | undefined
}

export function createModelClock(options: ModelClockOptions = {}): ModelClock {
  let time = options.start ?? 1_700_000_000_000
  const clock: ModelClock = {
    tickPerCall: options.tickPerCall ?? 0,
    now() {
      const now = time
      time += clock.tickPerCall
      return now
    },
    advance(milliseconds) {
      time += milliseconds
    },
    async sleep(milliseconds, signal) {
      throwIfAborted(signal)
      time += milliseconds
    },
  }
  return clock
}

/** Through two integers: a double has not enough digits for nanoseconds since 1970. */
export function toNanoseconds(milliseconds: number): bigint {
  const whole = Math.floor(milliseconds)
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1e6))
}

/** Whole seconds, rounded down, as `stat` has them. */
export function floorSeconds(nanoseconds: bigint): number {
  const fraction = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return Number((nanoseconds - fraction) / 1_000_000_000n)
}
