/**
 * Runs per 256 KiB above which one read of the whole span and copies in memory beat a read per run.
 *
 * Measured with whole merges of warm files (W6 of `bench/`): runs of 512 bytes cross over between 24 and 48 a window, those
 * of 4 KiB never do, for they touch one another when there are as many.
 */
const densityCrossover = 32

/** The most runs that a window has whose runs are moved each for itself. */
export function mostSparseRuns(windowLength: number): number {
  return Math.floor((densityCrossover * windowLength) / (256 * 1024))
}

/** True when a window with so many runs is better read as one span. */
export function isDense(runCount: number, windowLength: number): boolean {
  return runCount > mostSparseRuns(windowLength)
}
