/** Round `value` down to a multiple of `unit`. Takes any safe integers: no 32-bit arithmetic. */
export function floorTo(value: number, unit: number): number {
  return value - (value % unit)
}

/** Round `value` up to a multiple of `unit`. */
export function ceilTo(value: number, unit: number): number {
  const rest = value % unit
  return rest === 0 ? value : value + (unit - rest)
}

/** Divide and round up, exactly for safe integers. */
export function ceilDivide(value: number, unit: number): number {
  // Not with `ceilTo`: the multiple may be beyond the safe integers when the quotient is not.
  return floorDivide(value, unit) + (value % unit === 0 ? 0 : 1)
}

/** Divide and round down, exactly for safe integers. */
export function floorDivide(value: number, unit: number): number {
  return floorTo(value, unit) / unit
}

/** True for powers of two from 1 to 2^31. */
export function isPowerOfTwo(value: number): boolean {
  return value > 0 && value <= 2 ** 31 && Number.isInteger(Math.log2(value))
}
