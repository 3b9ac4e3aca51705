// Numbers in memory, little-endian unless the name says big. No DataView: where each record needs its own, to make one
// costs more than the read.

/** Read an unsigned number of 16 bits. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return bytes[at]! + bytes[at + 1]! * 2 ** 8
}

/** Read an unsigned number of 32 bits: 0 to 2^32 - 1. */
export function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! + bytes[at + 1]! * 2 ** 8 + bytes[at + 2]! * 2 ** 16 + bytes[at + 3]! * 2 ** 24
}

/** Write a number of 32 bits. */
export function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Read an unsigned number of 16 bits, big-endian. */
export function readBigHalf(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 8 + bytes[at + 1]!
}

/** Read an unsigned number of 32 bits, big-endian: 0 to 2^32 - 1. */
export function readBigWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 24 + bytes[at + 1]! * 2 ** 16 + bytes[at + 2]! * 2 ** 8 + bytes[at + 3]!
}
