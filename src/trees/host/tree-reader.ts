import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { type HostUser, hostUser } from '../../machine/host-user.js'
import { fileError } from '../../machine/stores/file-store.js'
import { type StreamInput, streamInput, treeFileContent } from './file-content.js'
import { named } from './named.js'
import { type OpenDirectory, openDirectory } from './open-directory.js'
import { type TreeFacts, treeFactsOf } from './tree-facts.js'

/** What a directory tells of a name in it, without a look at that. */
export interface Child {
  readonly name: Buffer
  readonly isDirectory: boolean
}

/**
 * How umlcow reads the host's trees; it changes nothing. Synchronous: an entry takes a few of these calls of some
 * microseconds each, and promises would make that many times as much. A loop of these calls rests now and then.
 *
 * Errors are UmlcowError with the system's code. No call follows a link in the last place of a path but `realTop` and
 * `streamInput`.
 */
export interface TreeReader {
  lstat(path: HostPath): TreeFacts
  lstatOrNull(path: HostPath): TreeFacts | null
  /** What is in a directory, read a few names at a time. */
  children(directory: HostPath): Iterable<Child>
  /** The first bytes of a regular file. */
  readStart(path: HostPath, length: number): Buffer
  /** The target of a link. */
  readLink(path: HostPath): Buffer
  /** Where a directory is, links resolved, with a slash at the end. */
  realTop(directory: HostPath): Buffer
  /**
   * The bytes of a regular file that has these facts and lies below `top`: links may take the place of directories
   * meanwhile.
   *
   * @param top  of `realTop`
   * @throws     UmlcowError INPUT_CHANGED, also when the file is changed
   */
  content(path: HostPath, facts: TreeFacts, top: Buffer): AsyncIterable<Uint8Array>
  /** A file or pipe outside of the tree that tells of it. @throws UmlcowError NOT_A_FILE for directories */
  streamInput(path: HostPath): StreamInput
  /** @throws UmlcowError ELOOP for a link, ENOTDIR for what is no directory */
  openDirectory(path: HostPath): OpenDirectory
  /** Whose rights we have. */
  user(): HostUser
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

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
    // Types of @types/node 20 know no Buffer names here; Node does.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 }
    const handle = named(directory, 'list it', () => fs.opendirSync(directory as string, options))
    try {
      for (;;) {
        const entry = named(directory, 'list it', () => handle.readSync())
        if (entry === null) return
        yield { name: entry.name as unknown as Buffer, isDirectory: entry.isDirectory() }
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

  readLink: (path) => named(path, 'read the link', () => fs.readlinkSync(path, { encoding: 'buffer' })),

  realTop: (directory) =>
    named(directory, 'resolve it', () => {
      const top = fs.realpathSync(directory, { encoding: 'buffer' })
      return top.at(-1) === 0x2f ? top : Buffer.concat([top, Buffer.from('/')])
    }),

  content: treeFileContent,
  streamInput,
  openDirectory,
  user: hostUser,
}
