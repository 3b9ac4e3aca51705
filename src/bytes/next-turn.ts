interface Scheduler {
  readonly setImmediate?: (call: () => void) => void
  readonly setTimeout: (call: () => void) => void
}

/**
 * Let the event loop go round once, so that timers, signals and input come through. `setImmediate` does that soonest, and
 * browsers have none: their timers may take 4 ms, which a slice of 25 ms of work bears.
 */
export function nextTurn(): Promise<void> {
  const { setImmediate, setTimeout } = globalThis as unknown as Scheduler
  return new Promise((resolve) => (setImmediate ?? setTimeout)(resolve))
}
