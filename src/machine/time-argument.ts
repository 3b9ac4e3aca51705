/** Node cuts times to microseconds, and a double may be a little nearer to 1970 than the one that was meant. */
const halfMicrosecond = 5e-7

/**
 * Seconds since 1970 as the calls of Node that set times take them. As text: a number below 0 is the present time to them.
 */
export function timeArgument(seconds: number): string {
  return String(seconds < 0 ? seconds - halfMicrosecond : seconds + halfMicrosecond)
}
