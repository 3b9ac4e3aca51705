/**
 * With more runs per 256 KiB than this, one read of the whole span and copies in memory are faster than a read per run.
 *
 * Measured with whole merges of warm files (W6 of `bench/`): runs of 512 bytes cross over between 24 and 48 a window.
 * Runs of 4 KiB never do, because so many of them touch one another.
 */
const densityCrossover = 32

/** Compute the most runs of a window that is not dense. */
export function mostSparseRuns(windowLength: number): number {
  return Math.floor((densityCrossover * windowLength) / (256 * 1024))
}

/** True when one read of the whole span is the faster way to read a window with this many runs. */
export function isDense(runCount: number, windowLength: number): boolean {
  return runCount > mostSparseRuns(windowLength)
}
