import fs from 'node:fs'
import { UmlcowError } from '../errors.js'

export type FileKind = 'file' | 'blockDevice' | 'directory' | 'other'

/** The fields of `stat` that umlcow uses. */
export interface FileFacts {
  readonly kind: FileKind
  readonly device: bigint
  readonly inode: bigint
  /** The device behind a block device node: the same for every node of that device. */
  readonly deviceId: bigint
  /** Count of names that the file has: hard links. */
  readonly links: number
  /** Bytes; for a block device the device's own size, 0 from `lstatOrNull`. */
  readonly size: number
  /** Bytes that the host stores. */
  readonly allocatedSize: number
  /** Whole seconds since 1970, rounded down, as the kernel compares them. */
  readonly mtime: number
  /** Nanoseconds since 1970. Every write changes it, but a program can set it back. */
  readonly mtimeNs: bigint
  /** Whole seconds since 1970: the last change to the file or its metadata, including its mtime. */
  readonly ctime: number
  /** Nanoseconds since 1970. Every write changes it, and no program can set it. */
  readonly ctimeNs: bigint
  readonly permissions: number
  readonly owner: number
  readonly group: number
}

function kindOf(stats: fs.BigIntStats): FileKind {
  if (stats.isFile()) return 'file'
  if (stats.isBlockDevice()) return 'blockDevice'
  return stats.isDirectory() ? 'directory' : 'other'
}

/**
 * Split a device number as the kernel prints it. @see gnu_dev_major and gnu_dev_minor, glibc sysmacros: 12 and 20 bits
 */
export function deviceNumbers(device: bigint): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn)
  return { major: Number(major & 0xffffffffn), minor: Number(minor & 0xffffffffn) }
}

/** Read the size of a block device, which `stat` does not report. @see native-free-notes/block-device-size.md */
function blockDeviceSize(rdev: bigint): number {
  const { major, minor } = deviceNumbers(rdev)
  try {
    return Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'latin1').trim()) * 512
  } catch (error) {
    throw new UmlcowError('DEVICE_SIZE', `block device ${major}:${minor}: cannot find its size`, { cause: error })
  }
}

const nanosecondsPerSecond = 1_000_000_000n

function floorSeconds(nanoseconds: bigint): number {
  const seconds = nanoseconds / nanosecondsPerSecond
  return Number(nanoseconds < 0n && nanoseconds % nanosecondsPerSecond !== 0n ? seconds - 1n : seconds)
}

/** Compute the nanoseconds after the whole seconds of a file's mtime: 0 to 999,999,999. */
export function mtimeNanoseconds({ mtime, mtimeNs }: Pick<FileFacts, 'mtime' | 'mtimeNs'>): number {
  return Number(mtimeNs - BigInt(mtime) * nanosecondsPerSecond)
}

/** Convert the result of `stat`, and add the size of a block device. */
export function factsOf(stats: fs.BigIntStats): FileFacts {
  const facts = factsWithoutDevice(stats)
  return facts.kind === 'blockDevice' ? { ...facts, size: blockDeviceSize(stats.rdev) } : facts
}

/** Convert the result of `stat`. The size of a block device is 0. */
export function factsWithoutDevice(stats: fs.BigIntStats): FileFacts {
  const kind = kindOf(stats)
  return {
    kind,
    device: stats.dev,
    inode: stats.ino,
    deviceId: stats.rdev,
    links: Number(stats.nlink),
    size: Number(stats.size),
    allocatedSize: Number(stats.blocks) * 512,
    mtime: floorSeconds(stats.mtimeNs),
    mtimeNs: stats.mtimeNs,
    ctime: floorSeconds(stats.ctimeNs),
    ctimeNs: stats.ctimeNs,
    permissions: Number(stats.mode & 0o7777n),
    owner: Number(stats.uid),
    group: Number(stats.gid),
  }
}

/** Read the facts of an open file. */
export function factsOfDescriptor(fd: number): FileFacts {
  return factsOf(fs.fstatSync(fd, { bigint: true }))
}

/** The facts of a file that a change alters. */
export interface ChangeTimes {
  readonly size: number | bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/**
 * Find out what happened to a file between two looks at it.
 *
 * A writer can set the mtime back, but not the ctime. A new name or new permissions change the ctime, too. A needless
 * stop is better than torn data.
 */
export function changeBetween(before: ChangeTimes, after: ChangeTimes): 'written to' | 'changed' | null {
  if (before.size !== after.size || before.mtimeNs !== after.mtimeNs) return 'written to'
  return before.ctimeNs === after.ctimeNs ? null : 'changed'
}

/** Test for the same file, or for the same block device behind any two nodes. */
export function isSameFile(a: FileFacts, b: FileFacts): boolean {
  if (a.kind === 'blockDevice' && b.kind === 'blockDevice') return a.deviceId === b.deviceId
  return a.device === b.device && a.inode === b.inode
}
