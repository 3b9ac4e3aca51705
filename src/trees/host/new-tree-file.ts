import fs from 'node:fs'
import { forEachDataStretch } from '../../bytes/zeros.js'
import { microsecondsOf } from '../../formats/manifest/time.js'
import type { HostPath } from '../../machine/host-files.js'
import { timeArgument } from '../../machine/time-argument.js'
import { named } from './named.js'
import type { Owner } from './tree-facts.js'

/** A file that is being made. */
export interface NewTreeFile {
  /** Adds at the end. Blocks of zeros become holes. */
  append(bytes: Uint8Array): void
  /** Gives it owner, mode and time. The owner comes first, as its change takes setuid bits away. Null leaves it. */
  complete(facts: { readonly mode: number; readonly owner: Owner | null; readonly mtimeNs: bigint }): void
  /** The maker calls it in any case. */
  close(): void
}

/** A directory that stays the same one, also when its name goes to another. */
export interface HeldDirectory {
  /** Leads to it as long as it is held, also for programs that umlcow starts. */
  readonly path: Buffer
  close(): void
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = fs.constants

/** Seconds: beyond what any file system stores, and within what Node converts. */
const lastSecond = 2 ** 40

/** A modification time as Node takes it. */
export function timeOf(mtimeNs: bigint): string {
  const seconds = Number(microsecondsOf(mtimeNs)) / 1e6
  return timeArgument(Math.min(Math.max(seconds, -lastSecond), lastSecond))
}

function newFile(fd: number, path: HostPath): NewTreeFile {
  let size = 0
  return {
    append: (bytes) =>
      named(path, 'write it', () => {
        forEachDataStretch(bytes, bytes.length, (start, end) => {
          for (let at = start; at < end; ) at += fs.writeSync(fd, bytes, at, end - at, size + at)
        })
        size += bytes.length
      }),
    complete: ({ mode, owner, mtimeNs }) =>
      named(path, 'complete it', () => {
        if (size > 0) fs.ftruncateSync(fd, size)
        if (owner !== null) fs.fchownSync(fd, owner.uid, owner.gid)
        fs.fchmodSync(fd, mode)
        fs.futimesSync(fd, timeOf(mtimeNs), timeOf(mtimeNs))
      }),
    close: () => fs.closeSync(fd),
  }
}

/** By its descriptor where the host has /proc: the path in the place of its name would lead to what took that name. */
function held(fd: number, path: HostPath): Buffer {
  const byDescriptor = `/proc/${process.pid}/fd/${fd}`
  const own = fs.fstatSync(fd, { bigint: true })
  const seen = fs.statSync(byDescriptor, { bigint: true, throwIfNoEntry: false })
  return Buffer.from((seen?.ino === own.ino && seen.dev === own.dev ? byDescriptor : path) as string)
}

/** `TreeWriter.createFile` of this machine. */
export function createFile(path: HostPath): NewTreeFile {
  const open = () => fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  return named(path, 'create it', () => newFile(open(), path))
}

/** `TreeWriter.holdDirectory` of this machine. */
export function holdDirectory(path: HostPath): HeldDirectory {
  return named(path, 'open it', () => {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    return { path: held(fd, path), close: () => fs.closeSync(fd) }
  })
}
