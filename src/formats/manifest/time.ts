export const nsPerSecond = 1_000_000_000n

/** Split a time into whole seconds, rounded down, and 0 to 999999999 nanoseconds. */
export function splitTime(mtimeNs: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = BigInt.asIntN(64, mtimeNs % nsPerSecond)
  const nanoseconds = rest < 0n ? rest + nsPerSecond : rest
  return { seconds: (mtimeNs - nanoseconds) / nsPerSecond, nanoseconds: Number(nanoseconds) }
}

/** Convert a time to whole microseconds, rounded down. */
export function microsecondsOf(mtimeNs: bigint): bigint {
  return mtimeNs / 1000n - (mtimeNs % 1000n < 0n ? 1n : 0n)
}

/** True for seconds that fit into 64 signed bits, as everywhere in Linux. */
export function isTime(seconds: bigint): boolean {
  return BigInt.asIntN(64, seconds) === seconds
}

/** Convert a time to seconds in 32 unsigned bits, as some formats need. A time out of range becomes the nearest one. */
export function clampSeconds(mtimeNs: bigint): { seconds: number; isExact: boolean } {
  const { seconds } = splitTime(mtimeNs)
  const last = 2n ** 32n - 1n
  const nearest = seconds < 0n ? 0n : seconds > last ? last : seconds
  return { seconds: Number(nearest), isExact: nearest === seconds }
}
