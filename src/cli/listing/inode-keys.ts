import type { ExtInode } from '../../formats/ext/index.js'
import { isoTime } from './time-style.js'

/** What JSON says about a file, in `ls` and in `stat`. */
export function inodeKeys(inode: ExtInode): Record<string, unknown> {
  const { number, type, mode, linkCount, uid, gid, size, allocatedSize, device, mtime } = inode
  return {
    inode: number,
    type: type ?? 'unknown',
    mode: mode.toString(8).padStart(4, '0'),
    links: linkCount,
    uid,
    gid,
    size,
    'allocated-size': allocatedSize,
    ...(device === null ? {} : { device }),
    mtime: isoTime(mtime),
  }
}
