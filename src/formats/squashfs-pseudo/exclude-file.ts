import { concatBytes } from '../../bytes/fast.js'
import { unfit } from '../manifest/archive-error.js'
import { backslash, isBlank, newline } from './layout.js'

const hash = 0x23

/**
 * A line of the file of `mksquashfs -ef`: what it leaves out of the tree, so that a pseudo file can define it. The name
 * stands as it is, below the tree; mksquashfs passes over blanks in front, and over lines that begin with `#`.
 *
 * @throws UmlcowError ENTRY_UNFIT for names that no line holds
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
