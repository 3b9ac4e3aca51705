import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { type CowHeader, type CowLayout, computeLayout, maxHeaderSize, parseCowHeader } from '../formats/cow/index.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import type { FileAccess, FileStore, OpenFileOptions } from '../machine/stores/file-store.js'
import { asWriteProtected } from '../machine/write-protection.js'
import { type BlockStore, isSyncStore, readPadded, readPaddedNow } from '../stores/block-store.js'
import { assertNotTorn } from './rewrite-header.js'

/** An open file of the host and what `stat` says of it. */
export interface InputFile {
  readonly path: HostPath
  readonly store: FileStore
  readonly facts: FileFacts
}

/** An open overlay: its file, header and layout. */
export interface Overlay extends InputFile {
  readonly header: CowHeader
  readonly layout: CowLayout
}

/**
 * Open a regular file or block device; anything else (a FIFO would wait for ever) is refused before it is opened.
 *
 * @throws UmlcowError NOT_A_FILE, WRITE_PROTECTED, or the system's code
 */
export async function openInput(files: HostFiles, path: HostPath, access: FileAccess = 'read'): Promise<InputFile> {
  const before = await files.stat(path)
  assertFileKind(path, before)
  const exclusive = before.kind === 'blockDevice' && access === 'readWrite'
  const store = await openExclusive(files, path, access, { size: before.size, exclusive })
  try {
    const facts = files.statOpen(store)
    if (isSameFile(before, facts)) return { path, store, facts }
    throw new UmlcowError('NOT_A_FILE', `${printablePath(path)}: was replaced while it was opened`)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openExclusive(
  files: HostFiles,
  path: HostPath,
  access: FileAccess,
  options: OpenFileOptions,
): Promise<FileStore> {
  try {
    return await files.open(path, access, options)
  } catch (error) {
    if (!options.exclusive || !hasCode(error, 'EBUSY')) {
      throw access === 'read' ? error : asWriteProtected(path, error)
    }
    throw new UmlcowError('IN_USE', `${printablePath(path)}: is mounted, or has another user of its own`, {
      cause: error,
    })
  }
}

function assertFileKind(path: HostPath, facts: FileFacts): void {
  if (facts.kind === 'file' || facts.kind === 'blockDevice') return
  const kind = facts.kind === 'directory' ? 'a directory' : 'neither a regular file nor a block device'
  throw new UmlcowError('NOT_A_FILE', `${printablePath(path)}: is ${kind}`, { details: { kind: facts.kind } })
}

/** The first bytes of a store, as many as the longest header has, fewer when it ends before. */
export async function readHeaderBytes(store: BlockStore): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(maxHeaderSize, store.size))
  if (isSyncStore(store)) readPaddedNow(store, 0, bytes)
  else await readPadded(store, 0, bytes)
  return bytes
}

/**
 * Open an overlay and parse its header.
 *
 * @throws UmlcowError as `openInput` and `parseCowHeader`; UNFINISHED_REWRITE
 */
export async function openOverlay(files: HostFiles, path: HostPath, access: FileAccess = 'read'): Promise<Overlay> {
  const input = await openInput(files, path, access)
  try {
    const bytes = await readHeaderBytes(input.store)
    await assertNotTorn(files, path, bytes)
    return toOverlay(input, bytes)
  } catch (error) {
    await input.store.close()
    throw error
  }
}

/** @throws UmlcowError as `parseCowHeader` */
export function toOverlay(input: InputFile, headerBytes: Uint8Array): Overlay {
  const header = parseCowHeader(headerBytes, { fileSize: input.facts.size, name: printablePath(input.path) })
  return { ...input, header, layout: computeLayout(header) }
}
