import type fs from 'node:fs'
import type { EntryType } from '../formats/manifest/entry.js'
import { deviceNumbers } from './file-facts.js'

/** What `lstat` tells of a name in a tree. */
export interface TreeFacts {
  readonly type: EntryType
  /** 0 to 07777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of `character` and `block`. */
  readonly major: number
  readonly minor: number
  readonly device: bigint
  readonly inode: bigint
  readonly nlink: number
  readonly size: number
  /** Bytes that the host stores. */
  readonly allocatedSize: number
  /** Seconds since 1970. */
  readonly atime: number
  readonly mtime: number
}

function typeOf(stats: fs.BigIntStats): EntryType {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isCharacterDevice()) return 'character'
  if (stats.isBlockDevice()) return 'block'
  return stats.isFIFO() ? 'fifo' : 'socket'
}

export function treeFactsOf(stats: fs.BigIntStats): TreeFacts {
  return {
    type: typeOf(stats),
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    ...deviceNumbers(stats.rdev),
    device: stats.dev,
    inode: stats.ino,
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    allocatedSize: Number(stats.blocks) * 512,
    atime: Number(stats.atimeNs) / 1e9,
    mtime: Number(stats.mtimeNs) / 1e9,
  }
}
