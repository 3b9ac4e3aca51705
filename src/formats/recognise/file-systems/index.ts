import { recogniseExt } from './ext.js'
import type { FileSystemFacts } from './facts.js'
import { recogniseFat, recogniseIso } from './foreign.js'
import {
  recogniseBtrfs,
  recogniseLuks,
  recogniseLvm,
  recogniseSparseImage,
  recogniseSquashfs,
  recogniseSwap,
  recogniseXfs,
} from './linux.js'

export type { FileSystemFacts, FileSystemType } from './facts.js'

/** Bytes from the start that show most types. */
export const firstSignatures = 8192

/** Bytes from the start that show all types: the superblock of btrfs is the farthest. */
export const lastSignature = 65536 + 4096

// A program that makes a file system may leave signatures of the one before it. The order is that of how much must fit:
// ext checks the most, and swap has all else but its own page as it was.
const recognisers = [
  recogniseExt,
  recogniseXfs,
  recogniseSquashfs,
  recogniseLuks,
  recogniseSparseImage,
  recogniseLvm,
  recogniseSwap,
  recogniseFat,
  recogniseBtrfs,
  recogniseIso,
]

/**
 * Recognise what fills a disk or a partition. No other code compares signatures of file systems.
 *
 * @param start  the first bytes, `lastSignature` for all types
 * @returns      null for nothing that umlcow knows
 */
export function recogniseFileSystem(start: Uint8Array): FileSystemFacts | null {
  for (const recognise of recognisers) {
    const facts = recognise(start)
    if (facts !== null) return facts
  }
  return null
}

/** True for the types whose files umlcow reads. */
export function isExt({ type }: FileSystemFacts): boolean {
  return type === 'ext2' || type === 'ext3' || type === 'ext4'
}
