import fs from 'node:fs'
import { forEachDataStretch } from '../../bytes/zeros.js'
import { microsecondsOf } from '../../formats/manifest/time.js'
import type { HostPath } from '../../machine/host-files.js'
import { timeArgument } from '../../machine/time-argument.js'
import { named } from './named.js'
import type { Owner } from './tree-facts.js'

/** A new file that is still being written. */
export interface NewTreeFile {
  /** Adds bytes at the end. Long stretches of zeros become holes. */
  append(bytes: Uint8Array): void
  /** Adds a hole at the end. */
  skip(length: number): void
  /** Sets owner, mode and time. What is null stays. The owner comes first, because its change clears setuid bits. */
  complete(mode: number | null, owner: Owner | null, mtimeNs: bigint): void
  /** The caller of `createFile` closes the file, also after an error. */
  close(): void
}

/** An open directory. It stays the same directory, even when another one takes its name. */
export interface HeldDirectory {
  /** Leads to the directory until `close`, also for programs that umlcow starts. */
  readonly path: Buffer
  close(): void
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = fs.constants

/** Seconds: more than any file system stores, and still a number that Node converts. */
const lastSecond = 2 ** 40

/** Convert a modification time to the form that Node takes. */
export function timeOf(mtimeNs: bigint): string {
  const seconds = Number(microsecondsOf(mtimeNs)) / 1e6
  return timeArgument(Math.min(Math.max(seconds, -lastSecond), lastSecond))
}

function newFile(fd: number, path: HostPath): NewTreeFile {
  let size = 0
  let endOfData = 0
  return {
    append: (bytes) =>
      named(path, 'write it', () => {
        forEachDataStretch(bytes, bytes.length, (start, end) => {
          for (let at = start; at < end; ) at += fs.writeSync(fd, bytes, at, end - at, size + at)
          endOfData = size + end
        })
        size += bytes.length
      }),
    skip: (length) => {
      size += length
    },
    complete: (mode, owner, mtimeNs) =>
      named(path, 'complete it', () => {
        // A hole at the end.
        if (size > endOfData) fs.ftruncateSync(fd, size)
        if (owner !== null) fs.fchownSync(fd, owner.uid, owner.gid)
        if (mode !== null) fs.fchmodSync(fd, mode)
        const time = timeOf(mtimeNs)
        fs.futimesSync(fd, time, time)
      }),
    close: () => fs.closeSync(fd),
  }
}

/**
 * Find a path to an open directory. It goes through the descriptor where the host has /proc: the plain path would lead
 * to another directory that takes the name.
 */
function held(fd: number, path: HostPath): Buffer {
  const byDescriptor = `/proc/${process.pid}/fd/${fd}`
  const own = fs.fstatSync(fd, { bigint: true })
  const seen = fs.statSync(byDescriptor, { bigint: true, throwIfNoEntry: false })
  return Buffer.from((seen?.ino === own.ino && seen.dev === own.dev ? byDescriptor : path) as string)
}

/** Create a file on this machine, for `TreeWriter.createFile`. */
export function createFile(path: HostPath, mode: number): NewTreeFile {
  const open = () => fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  return named(path, 'create it', () => newFile(open(), path))
}

/** Open a directory of this machine, for `TreeWriter.holdDirectory`. */
export function holdDirectory(path: HostPath): HeldDirectory {
  return named(path, 'open it', () => {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    return { path: held(fd, path), close: () => fs.closeSync(fd) }
  })
}
