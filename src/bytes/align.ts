/** The largest multiple of `unit` that is not above `value`. Any safe integers: no 32-bit arithmetic. */
export function floorTo(value: number, unit: number): number {
  return value - (value % unit)
}

/** The smallest multiple of `unit` that is not below `value`. */
export function ceilTo(value: number, unit: number): number {
  const rest = value % unit
  return rest === 0 ? value : value + (unit - rest)
}

/** `value / unit`, rounded up, exact for safe integers. */
export function ceilDivide(value: number, unit: number): number {
  // Not by way of ceilTo: the multiple may lie beyond the safe integers although the quotient does not.
  return floorDivide(value, unit) + (value % unit === 0 ? 0 : 1)
}

/** `value / unit`, rounded down, exact for safe integers. */
export function floorDivide(value: number, unit: number): number {
  return floorTo(value, unit) / unit
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && value <= 2 ** 31 && Number.isInteger(Math.log2(value))
}
