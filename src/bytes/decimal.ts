import { latin1Text } from './fast.js'

const zero = 0x30

/**
 * Parse digits of `base`, at most 32 with leading zeros.
 *
 * @returns null for no digits, for any other byte, and for a number above 2^53 - 1
 */
export function parseDigits(bytes: Uint8Array, base: 8 | 10 | 16): number | null {
  if (bytes.length === 0 || bytes.length > 32) return null
  let value = 0
  for (const byte of bytes) {
    const digit = digitOf(byte)
    if (digit >= base) return null
    value = value * base + digit
  }
  return Number.isSafeInteger(value) ? value : null
}

function digitOf(byte: number): number {
  if (byte >= zero && byte <= 0x39) return byte - zero
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : Number.POSITIVE_INFINITY
}

/** Parse a whole number exactly: at most 32 decimal digits and an optional minus sign. Null for anything else. */
export function parseInteger(bytes: Uint8Array): bigint | null {
  const isNegative = bytes[0] === 0x2d
  const digits = isNegative ? bytes.subarray(1) : bytes
  if (digits.length === 0 || digits.length > 32) return null
  for (const byte of digits) if (digitOf(byte) > 9) return null
  const value = BigInt(latin1Text(digits))
  return isNegative ? -value : value
}
