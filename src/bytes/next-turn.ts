interface Scheduler {
  readonly setImmediate?: (call: () => void) => void
  readonly setTimeout: (call: () => void) => void
}

/**
 * Let the event loop run once, so that it handles timers, signals and input.
 *
 * `setImmediate` is the fastest way. Browsers lack it, and their timers may take 4 ms: little beside 25 ms of work.
 */
export function nextTurn(): Promise<void> {
  const { setImmediate, setTimeout } = globalThis as unknown as Scheduler
  return new Promise((resolve) => (setImmediate ?? setTimeout)(resolve))
}
