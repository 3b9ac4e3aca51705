import fs from 'node:fs'
import type { EntryType } from '../../formats/manifest/entry.js'
import { splitMode } from '../../formats/manifest/mode.js'
import { deviceNumbers } from '../../machine/file-facts.js'
import type { HostPath } from '../../machine/host-files.js'

/** The owner of a file, by number. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** The facts of a name in a tree, from `lstat`. */
export interface TreeFacts {
  readonly type: EntryType
  /** 0 to 07777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** For `character` and `block`; 0 for all others. */
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

/** Facts with exact times: for archives, and to notice a change. */
export interface TimedFacts extends TreeFacts {
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Differs after any write, even if the modification time was set back. */
  readonly ctimeNs: bigint
}

function typeOfMode(mode: number): EntryType {
  const type = splitMode(mode)?.type
  if (type === undefined) throw new Error(`unreachable: a file with the mode 0${mode.toString(8)}`)
  return type
}

/**
 * Convert the result of `lstat`. The caller asks for plain numbers, because they take a third of the memory of big
 * integers and a walk consists mostly of this call. An inode that no double holds needs a second `lstat`.
 */
export function treeFactsOf(path: HostPath, stats: fs.Stats): TreeFacts {
  const inode = Number.isSafeInteger(stats.ino) ? BigInt(stats.ino) : fs.lstatSync(path, { bigint: true }).ino
  const { major, minor } = stats.rdev === 0 ? noDevice : deviceNumbers(BigInt(stats.rdev))
  return {
    type: typeOfMode(stats.mode),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    major,
    minor,
    device: BigInt(stats.dev),
    inode,
    nlink: stats.nlink,
    size: stats.size,
    allocatedSize: stats.blocks * 512,
    atime: stats.atimeMs / 1000,
    mtime: stats.mtimeMs / 1000,
  }
}

const noDevice = { major: 0, minor: 0 }

/** Convert the result of an `lstat` with big integers. It turns most of them into numbers once, as each step is slow. */
export function timedFactsOf(stats: fs.BigIntStats): TimedFacts {
  const mode = Number(stats.mode)
  const { major, minor } = stats.rdev === 0n ? noDevice : deviceNumbers(stats.rdev)
  return {
    type: typeOfMode(mode),
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    major,
    minor,
    device: stats.dev,
    inode: stats.ino,
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    allocatedSize: Number(stats.blocks) * 512,
    atime: Number(stats.atimeNs) / 1e9,
    mtime: Number(stats.mtimeNs) / 1e9,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  }
}
