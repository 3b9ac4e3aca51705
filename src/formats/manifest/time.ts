export const nsPerSecond = 1_000_000_000n

/** Split a time into whole seconds, rounded down, and 0 to 999999999 nanoseconds. */
export function splitTime(mtimeNs: bigint): { seconds: bigint; nanoseconds: number } {
  const seconds = mtimeNs / nsPerSecond
  const nanoseconds = Number(mtimeNs % nsPerSecond)
  return nanoseconds < 0 ? { seconds: seconds - 1n, nanoseconds: nanoseconds + 1e9 } : { seconds, nanoseconds }
}

/** Convert a time to whole microseconds, rounded down. */
export function microsecondsOf(mtimeNs: bigint): bigint {
  return mtimeNs / 1000n - (mtimeNs % 1000n < 0n ? 1n : 0n)
}

/** True for seconds that fit into 64 signed bits, as everywhere in Linux. */
export function isTime(seconds: bigint): boolean {
  return BigInt.asIntN(64, seconds) === seconds
}

const endOfTimeNs = 2n ** 63n * nsPerSecond

/** True for nanoseconds whose seconds fit into 64 signed bits. */
export function isTimeNs(mtimeNs: bigint): boolean {
  return mtimeNs >= -endOfTimeNs && mtimeNs < endOfTimeNs
}

/** Convert a time to seconds in 32 unsigned bits, as some formats need. A time out of range becomes the nearest one. */
export function clampSeconds(mtimeNs: bigint): { seconds: number; isExact: boolean } {
  if (mtimeNs < 0n) return { seconds: 0, isExact: false }
  const seconds = Number(mtimeNs / nsPerSecond)
  const last = 2 ** 32 - 1
  return seconds > last ? { seconds: last, isExact: false } : { seconds, isExact: true }
}
