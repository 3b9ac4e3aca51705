import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { fileError } from '../../machine/stores/file-store.js'
import { named } from './named.js'
import { type TimedFacts, timedFactsOf } from './tree-facts.js'

/** An open file of a tree. */
export interface OpenFile {
  facts(): TimedFacts
  /** Reads at most `target.length` bytes. Returns 0 at the end. */
  read(offset: number, target: Uint8Array): number
  close(): void
}

/**
 * An open directory. It stays the same directory when its name changes, and umlcow reaches its content through it. So
 * a link that replaces a directory cannot lead the reading into another tree.
 */
export interface OpenDirectory {
  /** The present facts of the directory. */
  facts(): TimedFacts
  /** The present facts of the directory above. */
  factsAbove(): TimedFacts
  names(): Iterable<Buffer>
  /** Looks at a name, which may be a path. This and the calls below follow no link in its last place. */
  lstatOrNull(name: Buffer): TimedFacts | null
  readLink(name: Buffer): Buffer
  /** The first bytes of a file. */
  readStart(name: Buffer, length: number): Buffer
  open(name: Buffer): OpenFile
  mayRead(name: Buffer): boolean
  close(): void
}

const exact = { bigint: true } as const
const exactOrNone = { bigint: true, throwIfNoEntry: false } as const
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/** Open a directory of this machine, for `TreeReader.openDirectory`. */
export function openDirectory(path: HostPath): OpenDirectory {
  const fd = named(path, 'open it', () => fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  const base = pathOfDescriptor(fd) ?? Buffer.from(path as string)
  const at = placesBelow(base)
  const on = <T>(name: Buffer, action: string, run: (place: Buffer) => T): T => {
    try {
      return run(at(name))
    } catch (error) {
      throw fileError(printablePath(joinPath(path, name)), action, error)
    }
  }
  return {
    facts: () => named(path, 'look at it', () => timedFactsOf(fs.fstatSync(fd, exact))),
    factsAbove: () => named(path, 'look above it', () => timedFactsOf(fs.statSync(at(Buffer.from('..')), exact))),
    names: () => namesIn(base, path),
    lstatOrNull: (name) =>
      on(name, 'look at it', (place) => {
        const stats = fs.lstatSync(place, exactOrNone)
        return stats === undefined ? null : timedFactsOf(stats)
      }),
    readLink: (name) =>
      on(name, 'read the link', (place) => fs.readlinkSync(place, { encoding: 'buffer' }) as unknown as Buffer),
    readStart(name, length) {
      const file = openFile(on(name, 'open it', openPlain), path, name)
      try {
        return readUpTo(file, length)
      } finally {
        file.close()
      }
    },
    open: (name) => openFile(on(name, 'open it', openPlain), path, name),
    mayRead: (name) => on(name, 'look at it', mayRead),
    close: () => fs.closeSync(fd),
  }
}

/** Make paths of names. The last one is kept, because a walk looks at a name and then opens it. */
function placesBelow(base: Buffer): (name: Buffer) => Buffer {
  let last = { name: base, place: base }
  return (name) => {
    if (last.name !== name) last = { name, place: joinPath(base, name) }
    return last.place
  }
}

/** Find the path of a descriptor. @returns null without /proc: the caller then uses the plain path */
function pathOfDescriptor(fd: number): Buffer | null {
  const path = `/proc/self/fd/${fd}`
  return fs.existsSync(path) ? Buffer.from(path) : null
}

function* namesIn(base: Buffer, path: HostPath): Generator<Buffer> {
  // Node gives names as Buffers here, but the types of @types/node 20 do not know it.
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 256 }
  const handle = named(path, 'list it', () => fs.opendirSync(joinPath(base, '.') as unknown as string, options))
  try {
    for (;;) {
      const entry = named(path, 'list it', () => handle.readSync())
      if (entry === null) return
      yield entry.name as unknown as Buffer
    }
  } finally {
    handle.closeSync()
  }
}

/** Open a file. O_NONBLOCK: if a FIFO without a writer has replaced the file, the call must not wait. */
function openPlain(place: Buffer): number {
  return fs.openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
}

function openFile(fd: number, directory: HostPath, name: Buffer): OpenFile {
  const on = <T>(action: string, run: () => T): T => {
    try {
      return run()
    } catch (error) {
      throw fileError(printablePath(joinPath(directory, name)), action, error)
    }
  }
  return {
    facts: () => on('look at it', () => timedFactsOf(fs.fstatSync(fd, exact))),
    read: (offset, target) => on('read it', () => fs.readSync(fd, target, 0, target.length, offset)),
    close: () => fs.closeSync(fd),
  }
}

function readUpTo(file: OpenFile, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  for (let got = 1; got > 0 && done < length; done += got) got = file.read(done, bytes.subarray(done))
  return bytes.subarray(0, done)
}

function mayRead(place: Buffer): boolean {
  try {
    fs.accessSync(place, fs.constants.R_OK)
    return true
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) return false
    throw error
  }
}
