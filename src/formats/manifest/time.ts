export const nsPerSecond = 1_000_000_000n

/** Whole seconds, rounded down, and 0 to 999999999 nanoseconds after them. */
export function splitTime(mtimeNs: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = BigInt.asIntN(64, mtimeNs % nsPerSecond)
  const nanoseconds = rest < 0n ? rest + nsPerSecond : rest
  return { seconds: (mtimeNs - nanoseconds) / nsPerSecond, nanoseconds: Number(nanoseconds) }
}

/** Whole microseconds, rounded down. */
export function microsecondsOf(mtimeNs: bigint): bigint {
  return mtimeNs / 1000n - (mtimeNs % 1000n < 0n ? 1n : 0n)
}

/** Seconds are 64 bits, signed, in all that Linux has. */
export function isTime(seconds: bigint): boolean {
  return BigInt.asIntN(64, seconds) === seconds
}

/** Seconds in the 32 unsigned bits that some formats have: what does not fit becomes the nearest that does. */
export function clampSeconds(mtimeNs: bigint): { seconds: number; isExact: boolean } {
  const { seconds } = splitTime(mtimeNs)
  const last = 2n ** 32n - 1n
  const nearest = seconds < 0n ? 0n : seconds > last ? last : seconds
  return { seconds: Number(nearest), isExact: nearest === seconds }
}
