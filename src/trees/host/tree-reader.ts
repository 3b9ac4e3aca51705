import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { type HostUser, hostUser } from '../../machine/host-user.js'
import { type AttributeSearch, findAttributes } from '../../machine/programs/getfattr.js'
import type { OnAttributes } from '../../machine/programs/getfattr-output.js'
import { fileError } from '../../machine/stores/file-store.js'
import { type StreamInput, streamInput, treeFileContent } from './file-content.js'
import { named } from './named.js'
import { type OpenDirectory, openDirectory } from './open-directory.js'
import { type TreeFacts, treeFactsOf } from './tree-facts.js'

/** A name as its directory lists it, without an `lstat`. */
export interface Child {
  readonly name: Buffer
  readonly isDirectory: boolean
  /** It is a regular file. */
  readonly isFile: boolean
}

/**
 * Reads the host's trees, and changes nothing. Most calls are synchronous: each takes some microseconds, and a promise
 * would take many times as long. Loops of these calls rest now and then.
 *
 * Errors are UmlcowError with the system's code. Only `realTop` and `streamInput` follow a link in the last place of a
 * path.
 */
export interface TreeReader {
  lstat(path: HostPath): TreeFacts
  lstatOrNull(path: HostPath): TreeFacts | null
  /** Lists a directory, a few names at a time. */
  children(directory: HostPath): Iterable<Child>
  /** Reads the first bytes of a regular file. */
  readStart(path: HostPath, length: number): Buffer
  /**
   * Reads a regular file of one line with few calls. The next call overwrites the memory of the result.
   *
   * @returns null unless one read gives fewer bytes than `length`, and a newline at their end
   * @throws  the error of the system, without the name of the file
   */
  readLine(path: HostPath, length: number): Buffer | null
  /** Reads the target of a link. */
  readLink(path: HostPath): Buffer
  /** Resolves all links in the path of a directory. The result ends with a slash. */
  realTop(directory: HostPath): Buffer
  /**
   * Reads a regular file. It checks that the file still has these facts and lies below `top`, because a link may have
   * replaced a directory above it.
   *
   * @param top  result of `realTop`
   * @throws     UmlcowError INPUT_CHANGED when the file is another one, or changes
   */
  content(path: HostPath, facts: TreeFacts, top: Buffer): AsyncIterable<Uint8Array>
  /** Opens a file or pipe that describes a tree. @throws UmlcowError NOT_A_FILE for directories */
  streamInput(path: HostPath): StreamInput
  /** @throws UmlcowError ELOOP for a link, ENOTDIR for anything else that is not a directory */
  openDirectory(path: HostPath): OpenDirectory
  /** Finds out how many names the file system of a directory takes for one file. Null when it is unknown. */
  linkLimit(directory: HostPath, signal: AbortSignal | undefined): Promise<number | null>
  /**
   * Finds all files of a tree that have extended attributes, in any order. Paths are relative to the directory.
   *
   * @throws UmlcowError INTERRUPTED
   */
  findAttributes(directory: HostPath, onFile: OnAttributes, signal: AbortSignal | undefined): Promise<AttributeSearch>
  /** The user that umlcow runs as. */
  user(): HostUser
}

const newline = 0x0a
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/** The memory of `readLine`. A tree has as many lines as files, and an array for each costs more than to read it. */
let lineRoom = Buffer.alloc(0)

/** The trees of this machine. */
export const localTreeReader: TreeReader = {
  lstat: (path) => named(path, 'look at it', () => treeFactsOf(path, fs.lstatSync(path))),

  lstatOrNull(path) {
    try {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false })
      return stats === undefined ? null : treeFactsOf(path, stats)
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null
      throw fileError(printablePath(path), 'look at it', error)
    }
  },

  *children(directory) {
    // Node gives names as Buffers here, but the types of @types/node 20 do not know it.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 }
    const handle = named(directory, 'list it', () => fs.opendirSync(directory as string, options))
    try {
      for (;;) {
        const entry = named(directory, 'list it', () => handle.readSync())
        if (entry === null) return
        yield { name: entry.name as unknown as Buffer, isDirectory: entry.isDirectory(), isFile: entry.isFile() }
      }
    } finally {
      handle.closeSync()
    }
  },

  readStart: (path, length) =>
    named(path, 'read it', () => {
      const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      try {
        const bytes = Buffer.allocUnsafe(length)
        let done = 0
        for (let got = 1; got > 0 && done < length; done += got) got = fs.readSync(fd, bytes, done, length - done, done)
        return bytes.subarray(0, done)
      } finally {
        fs.closeSync(fd)
      }
    }),

  readLine(path, length) {
    const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      if (lineRoom.length < length) lineRoom = Buffer.allocUnsafeSlow(length)
      const got = fs.readSync(fd, lineRoom, 0, length, 0)
      return got > 0 && got < length && lineRoom[got - 1] === newline ? lineRoom.subarray(0, got) : null
    } finally {
      fs.closeSync(fd)
    }
  },

  readLink: (path) => named(path, 'read the link', () => fs.readlinkSync(path, { encoding: 'buffer' })),

  realTop: (directory) =>
    named(directory, 'resolve it', () => {
      const top = fs.realpathSync(directory, { encoding: 'buffer' })
      return top.at(-1) === 0x2f ? top : Buffer.concat([top, Buffer.from('/')])
    }),

  content: treeFileContent,
  streamInput,
  openDirectory,
  // Hardly any tree has a file with many names, so the module loads on demand.
  linkLimit: async (directory, signal) =>
    (await import('../../machine/programs/link-limit.js')).linkLimit(directory, signal),
  findAttributes,
  user: hostUser,
}
