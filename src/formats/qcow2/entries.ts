// Entries of the tables: 64 bits, big-endian. JavaScript has exact integers up to 2^53 only, so an entry is read as two
// halves of 32 bits.  Source: QEMU docs/interop/qcow2.rst, "Cluster mapping", "Extended L2 Entries"

// L1 entry, and L2 entry of a standard cluster:
//
//   bits field
//      0 the cluster reads as zeros (L2 of version 3 without subclusters; else reserved)
//   1- 8 reserved
//   9-55 offset in the file, a multiple of the cluster size; 0 = not allocated
//  56-61 reserved
//     62 0; L2: 1 = the cluster is compressed, and bits 0-61 have another meaning
//     63 the refcount is 1, so that a writer need not copy the cluster

/** Bit 63, in the upper half. */
export const copiedFlag = 0x80000000
/** Bit 62, in the upper half. */
export const compressedFlag = 0x40000000
/** Bits 56 to 61, in the upper half. */
const reservedHigh = 0x3f000000
/** Bits 32 to 55, in the upper half. */
const offsetHigh = 0x00ffffff
/** Bits 9 to 31, in the lower half. */
const offsetLow = 0xfffffe00
/** Bits 1 to 8, in the lower half. */
const reservedLow = 0x000001fe
/** Bit 0, in the lower half. */
export const zeroFlag = 1

/** Read the offset of an L1 entry or of a standard cluster. */
export function entryOffset(high: number, low: number): number {
  return (high & offsetHigh) * 2 ** 32 + ((low & offsetLow) >>> 0)
}

/** True when a reserved bit of an L1 entry is set. */
export function isBadL1Entry(high: number, low: number): boolean {
  return (high & (reservedHigh | compressedFlag)) !== 0 || (low & (reservedLow | zeroFlag)) !== 0
}

/** True when a reserved bit of the L2 entry of a standard cluster is set. @param mayBeZero  bit 0 has a meaning */
export function isBadStandardEntry(high: number, low: number, mayBeZero: boolean): boolean {
  return (high & reservedHigh) !== 0 || (low & (mayBeZero ? reservedLow : reservedLow | zeroFlag)) !== 0
}

/** Where a compressed cluster is in the file: bytes, half-open. The end is that of its last sector of 512 bytes. */
export interface CompressedPlace {
  readonly offset: number
  readonly end: number
}

// L2 entry of a compressed cluster, with x = 62 - (clusterBits - 8):
//
//   bits field
//  0-x-1 offset in the file, any byte
//   x-61 sectors of 512 bytes after the one that holds the first byte
//     62 1
//     63 0

/** Read the L2 entry of a compressed cluster; null when its offset is too large. */
export function compressedPlace(high: number, low: number, clusterBits: number): CompressedPlace | null {
  const highBits = 62 - (clusterBits - 8) - 32
  const above = high & (2 ** highBits - 1)
  // Offsets end at bit 55; the field of small clusters is longer.
  if (above > offsetHigh || above * 2 ** 32 + low > Number.MAX_SAFE_INTEGER - 2 ** 32) return null
  const offset = above * 2 ** 32 + low
  const sectors = ((high & 0x3fffffff) >>> highBits) + 1
  return { offset, end: offset - (offset % 512) + sectors * 512 }
}

/** Write an L2 entry of a compressed cluster into `view`. The bytes lie at `offset` and have this length. */
export function setCompressedEntry(
  view: DataView,
  at: number,
  { offset, length, clusterBits }: { readonly offset: number; readonly length: number; readonly clusterBits: number },
): void {
  const highBits = 62 - (clusterBits - 8) - 32
  const more = Math.floor((offset + length - 1) / 512) - Math.floor(offset / 512)
  view.setUint32(at, (compressedFlag | (more << highBits) | Math.floor(offset / 2 ** 32)) >>> 0, false)
  view.setUint32(at + 4, offset % 2 ** 32, false)
}

/** Write an L1 entry or the L2 entry of a standard cluster, whose refcount is 1, into `view`. */
export function setEntry(view: DataView, at: number, offset: number): void {
  view.setUint32(at, (copiedFlag | Math.floor(offset / 2 ** 32)) >>> 0, false)
  view.setUint32(at + 4, offset % 2 ** 32, false)
}
