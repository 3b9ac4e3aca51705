/**
 * Runs per 256 KiB above which one read of the whole span and copies in memory beat a read per run.
 *
 * Measured on warm files: runs of 512 bytes to 8 KiB cross over between 8 and 16 a window, longer runs never get there.
 */
const densityCrossover = 12

/** True when a window with so many runs is better read as one span. */
export function isDense(runCount: number, windowLength: number): boolean {
  return runCount * (256 * 1024) > densityCrossover * windowLength
}
