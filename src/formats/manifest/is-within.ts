/** True for integers from 0 to `limit`. */
export function isWithin(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= limit
}
