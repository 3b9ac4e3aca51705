import { printablePath } from '../../bytes/escape.js'
import { allocateUnsafe } from '../../bytes/fast.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import type { ExtFileSystem, ExtFinding } from '../../filesystems/ext/index.js'
import type { ExtInode } from '../../formats/ext/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { callable, checkedOptions, flag, hostPath, innerPaths, type Rules } from '../../machine/option-rules.js'
import { type FileSystemOptions, fileSystemRules, openFileSystem } from '../../overlays/open-file-system.js'
import { type LeftOutOptions, lookUpEach } from './look-up-each.js'

export interface ReadFilesOptions extends FileSystemOptions, LeftOutOptions {
  /**
   * Use the memory of a piece again: it holds its bytes only until the next but one is asked for. That is faster for
   * large files. Default: false
   */
  readonly reuseMemory?: boolean | undefined
  /** Called at the end with what the reader found, such as wrong checksums. */
  readonly onEnd?: ((findings: readonly ExtFinding[]) => void) | undefined
}

const readRules: Rules = { ...fileSystemRules, reuseMemory: flag, onEnd: callable, onLeftOut: callable }

/** Bytes that are read at a time. */
const pieceSize = 256 * 1024

/**
 * Read the content of files inside an image, one after the other. Symbolic links lead to files inside the image.
 *
 * All paths are looked up before the first byte is read.
 *
 * @throws UmlcowError FS_NOT_FOUND, NOT_A_FILE for a directory or device, FS_UNSUPPORTED for encrypted content, and what
 *         opening the image throws
 */
export async function* readFiles(
  image: HostPath | URL,
  paths: readonly (string | Uint8Array)[],
  options: ReadFilesOptions = {},
): AsyncGenerator<Uint8Array> {
  const checked = checkedOptions(options, readRules)
  const inner = innerPaths('paths', paths)
  await using opened = await openFileSystem(image, checked)
  const find = (path: Uint8Array) => lookUpFile(opened.files, path)
  const inodes = await lookUpEach(hostPath('image', image), inner, checked, find)
  const allocate = checked.reuseMemory ? takingTurns() : allocateUnsafe
  for (const inode of inodes) yield* contentOf(opened.files, inode, allocate, checked.signal)
  checked.onEnd?.(opened.files.findings)
}

const kinds: Readonly<Record<string, string>> = {
  directory: 'a directory',
  character: 'a device',
  block: 'a device',
  fifo: 'a named pipe',
  socket: 'a socket',
}

async function lookUpFile(files: ExtFileSystem, path: Uint8Array): Promise<ExtInode> {
  const inode = await files.lookup(path)
  if (inode.type === 'file') return inode
  const kind = kinds[inode.type ?? ''] ?? 'of no known type'
  throw new UmlcowError('NOT_A_FILE', `${printablePath(path)} is ${kind} in the file system`, {
    details: { path: printablePath(path) },
  })
}

/** Give the same two pieces of memory in turn. */
function takingTurns(): (length: number) => Uint8Array {
  const pieces = [allocateUnsafe(pieceSize), allocateUnsafe(pieceSize)] as const
  let turn: 0 | 1 = 0
  return (length) => {
    turn = turn === 0 ? 1 : 0
    return pieces[turn].subarray(0, length)
  }
}

async function* contentOf(
  files: ExtFileSystem,
  inode: ExtInode,
  allocate: (length: number) => Uint8Array,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < inode.size; ) {
    throwIfAborted(signal)
    const piece = allocate(Math.min(pieceSize, inode.size - at))
    const length = await files.read(inode, at, piece)
    yield piece.subarray(0, length)
    at += length
  }
}
