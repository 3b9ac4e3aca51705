import { viewOf } from '../../bytes/struct.js'
import { limits, version2Struct } from './header-structs.js'

/**
 * Put another path of the backing file into a header, in the place of the old one. It may be longer where only zeros
 * follow.
 *
 * @param head  the first bytes of an image with a backing file, as for `parseQcow2Header`
 * @returns     the new first bytes up to the end of the longer path; null when the path does not fit
 */
export function withBackingPath(head: Uint8Array, path: Uint8Array): Uint8Array | null {
  const { backingOffset, backingLength, clusterBits } = version2Struct.parse(head, false)
  const [oldEnd, newEnd] = [backingOffset + backingLength, backingOffset + path.length]
  if (path.length === 0 || path.length > limits.backingLength) return null
  if (newEnd > Math.min(2 ** clusterBits, head.length)) return null
  if (newEnd > oldEnd && head.subarray(oldEnd, newEnd).some((byte) => byte !== 0)) return null
  const bytes = head.slice(0, Math.max(oldEnd, newEnd))
  bytes.fill(0, backingOffset)
  bytes.set(path, backingOffset)
  viewOf(bytes).setUint32(backingLengthOffset, path.length, false)
  return bytes
}

const backingLengthOffset = 16
