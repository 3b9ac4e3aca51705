import fs from 'node:fs'
import { printablePath } from '../../bytes/escape.js'
import type { InputPieces } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { changeBetween } from '../../machine/file-facts.js'
import type { HostPath } from '../../machine/host-files.js'
import { fileError } from '../../machine/stores/file-store.js'
import { named } from './named.js'
import type { TreeFacts } from './tree-facts.js'

const pieceSize = 256 * 1024
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/** Where the reading of a file is. */
interface ReadPlace {
  offset: number
  /** Bytes of the file when it was opened. */
  size: number
}

/**
 * Read an open file in pieces, each from the offset of `place` on. The next piece overwrites the memory of the last one.
 *
 * @throws UmlcowError INPUT_CHANGED when the file changed meanwhile: the bytes may mix two states
 */
function* piecesOf(fd: number, path: HostPath, place: ReadPlace = { offset: 0, size: 0 }): Generator<Uint8Array> {
  const before = fs.fstatSync(fd, { bigint: true })
  place.size = Number(before.size)
  const room = Buffer.allocUnsafe(pieceSize)
  for (;;) {
    const length = named(path, 'read it', () => fs.readSync(fd, room, 0, room.length, place.offset))
    if (length === 0) break
    place.offset += length
    yield room.subarray(0, length)
  }
  const after = fs.fstatSync(fd, { bigint: true })
  const change = changeBetween(before, after)
  if (change === null) return
  throw new UmlcowError('INPUT_CHANGED', `${printablePath(path)}: was ${change} while it was read`)
}

/** Read a file of this machine, for `TreeReader.content`. */
export async function* treeFileContent(path: HostPath, facts: TreeFacts, top: Buffer): AsyncGenerator<Uint8Array> {
  const fd = named(path, 'open it', () => fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  try {
    const own = fs.fstatSync(fd, { bigint: true })
    if (own.ino !== facts.inode || own.dev !== facts.device || !isBelow(fd, top)) {
      throw new UmlcowError('INPUT_CHANGED', `${printablePath(path)}: was replaced while the tree was read`)
    }
    yield* piecesOf(fd, path)
  } finally {
    fs.closeSync(fd)
  }
}

function isBelow(fd: number, top: Buffer): boolean {
  let place: Buffer
  try {
    place = fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })
  } catch {
    return true // Without /proc, only device and inode are checked.
  }
  return place.subarray(0, top.length).equals(top)
}

/** Bytes in pieces. `skip` is there for a regular file. */
export type StreamBytes = AsyncIterable<Uint8Array> & Pick<InputPieces, 'skip'>

/** An input that is read from its start. A regular file can be read more than once. */
export interface StreamInput {
  readonly isRepeatable: boolean
  read(): StreamBytes
}

/** Open an input of this machine, for `TreeReader.streamInput`. */
export function streamInput(path: HostPath): StreamInput {
  const stats = named(path, 'look at it', () => fs.statSync(path))
  if (stats.isDirectory()) throw new UmlcowError('NOT_A_FILE', `${printablePath(path)}: is a directory`)
  if (stats.isFile()) return { isRepeatable: true, read: () => regularFile(path) }
  return { isRepeatable: false, read: () => streamOf(path) }
}

/** Read a file from its start, once. */
function regularFile(path: HostPath): StreamBytes {
  const place: ReadPlace = { offset: 0, size: 0 }
  return {
    async *[Symbol.asyncIterator]() {
      const fd = named(path, 'open it', () => fs.openSync(path, O_RDONLY | O_NONBLOCK))
      try {
        yield* piecesOf(fd, path, place)
      } finally {
        fs.closeSync(fd)
      }
    },
    skip(length) {
      const count = Math.min(length, Math.max(0, place.size - place.offset))
      place.offset += count
      return count
    },
  }
}

/** Read a pipe asynchronously: its writer may be slow, and signals must get through meanwhile. */
async function* streamOf(path: HostPath): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of fs.createReadStream(path, { highWaterMark: pieceSize })) yield bytes
  } catch (error) {
    throw fileError(printablePath(path), 'read it', error)
  }
}
