import { concatBytes } from '../../bytes/fast.js'
import { unfit } from '../manifest/archive-error.js'
import { backslash, hash, isBlank, newline } from './layout.js'

/**
 * Write a line for `mksquashfs -ef`: mksquashfs then leaves out this name of the tree, so that a pseudo file can define
 * it.
 *
 * The path is unchanged and starts below the tree. mksquashfs skips blanks in front, and lines that begin with `#`.
 *
 * @throws UmlcowError ENTRY_UNFIT for names that a line cannot hold
 * @see    squashfs-tools 4.5.1, behaviour
 */
export function serializeExclusion(path: Uint8Array): Uint8Array {
  if (!isBlank(path[0]) && path[0] !== hash && path.at(-1) !== backslash && !path.includes(newline)) {
    return concatBytes([path, Uint8Array.of(newline)])
  }
  throw unfit(
    path,
    'a file for mksquashfs -ef cannot hold this name: a newline, a blank or # in front, or a backslash at the end',
  )
}
