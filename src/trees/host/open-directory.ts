import fs from 'node:fs'
import { hasCode } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { named } from './named.js'
import { type TimedFacts, timedFactsOf } from './tree-facts.js'

/** A file of a tree that is being read. */
export interface OpenFile {
  facts(): TimedFacts
  /** Reads at most `target.length` bytes; 0 is the end. */
  read(offset: number, target: Uint8Array): number
  close(): void
}

/**
 * A directory that is being read. It stays the same one, whatever becomes of its name, and what is in it is reached
 * through it: nobody who replaces a directory by a link can have another tree read.
 */
export interface OpenDirectory {
  /** As they are now. */
  facts(): TimedFacts
  /** Of the directory above. */
  factsAbove(): TimedFacts
  names(): Iterable<Buffer>
  /** No call follows a link in the last place of a name, which may have several. */
  lstatOrNull(name: Buffer): TimedFacts | null
  readLink(name: Buffer): Buffer
  /** The first bytes of a file. */
  readStart(name: Buffer, length: number): Buffer
  open(name: Buffer): OpenFile
  mayRead(name: Buffer): boolean
  close(): void
}

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/** `TreeReader.openDirectory` of this machine. */
export function openDirectory(path: HostPath): OpenDirectory {
  const fd = named(path, 'open it', () => fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  const base = pathOfDescriptor(fd) ?? Buffer.from(path as string)
  const at = (name: Buffer) => joinPath(base, name)
  const on = <T>(name: Buffer, action: string, run: (place: Buffer) => T): T =>
    named(joinPath(path, name), action, () => run(at(name)))
  return {
    facts: () => named(path, 'look at it', () => timedFactsOf(fs.fstatSync(fd, { bigint: true }))),
    factsAbove: () =>
      named(path, 'look above it', () => timedFactsOf(fs.statSync(at(Buffer.from('..')), { bigint: true }))),
    names: () => namesIn(base, path),
    lstatOrNull: (name) =>
      on(name, 'look at it', (place) => {
        const stats = fs.lstatSync(place, { bigint: true, throwIfNoEntry: false })
        return stats === undefined ? null : timedFactsOf(stats)
      }),
    readLink: (name) =>
      on(name, 'read the link', (place) => fs.readlinkSync(place, { encoding: 'buffer' }) as unknown as Buffer),
    readStart(name, length) {
      const file = openFile(on(name, 'open it', openPlain), joinPath(path, name))
      try {
        return readUpTo(file, length)
      } finally {
        file.close()
      }
    },
    open: (name) => openFile(on(name, 'open it', openPlain), joinPath(path, name)),
    mayRead: (name) => on(name, 'look at it', mayRead),
    close: () => fs.closeSync(fd),
  }
}

/** Null where the host has no names for descriptors: then paths have to do. */
function pathOfDescriptor(fd: number): Buffer | null {
  const path = `/proc/self/fd/${fd}`
  return fs.existsSync(path) ? Buffer.from(path) : null
}

function* namesIn(base: Buffer, path: HostPath): Generator<Buffer> {
  // Types of @types/node 20 know no Buffer names here; Node does.
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

/** O_NONBLOCK: what was a file may be a FIFO by now, and nobody writes to it. */
function openPlain(place: Buffer): number {
  return fs.openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
}

function openFile(fd: number, path: Buffer): OpenFile {
  return {
    facts: () => named(path, 'look at it', () => timedFactsOf(fs.fstatSync(fd, { bigint: true }))),
    read: (offset, target) => named(path, 'read it', () => fs.readSync(fd, target, 0, target.length, offset)),
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
