/** Node truncates times to microseconds, and a double may lie a little nearer to 1970 than the exact time. */
const halfMicrosecond = 5e-7

/**
 * Convert seconds since 1970 for the calls of Node that set times. The result is text: these calls take a number below
 * 0 for the present time.
 */
export function timeArgument(seconds: number): string {
  return String(seconds < 0 ? seconds - halfMicrosecond : seconds + halfMicrosecond)
}
