import { viewOf } from '../../bytes/struct.js'

/** Compute how many refcounts one refcount block holds. */
export function refcountsPerBlock(clusterSize: number, refcountBits: number): number {
  return (clusterSize * 8) / refcountBits
}

/**
 * Read a refcount. In narrow fields the first one is in the least significant bits of a byte.
 *
 * @param bytes  refcounts; whole bytes of them
 * @returns      the refcount; values above 2^53 are not exact
 * @see          QEMU docs/interop/qcow2.rst, "Host cluster management"
 */
export function readRefcount(bytes: Uint8Array, index: number, refcountBits: number): number {
  if (refcountBits < 8) {
    const perByte = 8 / refcountBits
    const byte = bytes[Math.floor(index / perByte)]!
    return (byte >>> ((index % perByte) * refcountBits)) & (2 ** refcountBits - 1)
  }
  let value = 0
  const width = refcountBits / 8
  for (let i = 0; i < width; i++) value = value * 256 + bytes[index * width + i]!
  return value
}

/** Write a refcount of 16 bits. */
export function setRefcount16(bytes: Uint8Array, index: number, value: number): void {
  viewOf(bytes).setUint16(index * 2, value, false)
}
