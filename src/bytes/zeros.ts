/** Bytes compared at a time; also the unit in which zeros become holes: the page and block size of common hosts. */
export const zeroBlockSize = 4096

const zeroBlock = Buffer.alloc(zeroBlockSize)

function blockIsZero(bytes: Buffer, start: number, end: number): boolean {
  return bytes.compare(zeroBlock, 0, end - start, start, end) === 0
}

/** True when `bytes` holds nothing but zeros. */
export function isZero(bytes: Uint8Array): boolean {
  const buffer = asBuffer(bytes)
  for (let at = 0; at < buffer.length; at += zeroBlockSize) {
    if (!blockIsZero(buffer, at, Math.min(at + zeroBlockSize, buffer.length))) return false
  }
  return true
}

/**
 * Calls `visit` for each stretch of blocks of `bytes` that are not all zeros.
 *
 * `bytes` is taken to start on a block boundary of its file; the last block may be short.
 */
export function forEachDataStretch(bytes: Uint8Array, visit: (start: number, end: number) => void): void {
  const buffer = asBuffer(bytes)
  let dataStart = -1
  for (let at = 0; at < buffer.length; at += zeroBlockSize) {
    const zero = blockIsZero(buffer, at, Math.min(at + zeroBlockSize, buffer.length))
    if (zero && dataStart >= 0) {
      visit(dataStart, at)
      dataStart = -1
    } else if (!zero && dataStart < 0) {
      dataStart = at
    }
  }
  if (dataStart >= 0) visit(dataStart, buffer.length)
}

/** The same memory as a Buffer, whose `compare` and `copy` are the fastest there are. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
