import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { type Layer, parseLayer } from '../images/image-formats.js'
import { type Probe, probe } from '../images/probe.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { shellQuote } from '../machine/shell-quote.js'
import type { FileAccess, FileStore, OpenFileOptions } from '../machine/stores/file-store.js'
import { asWriteProtected } from '../machine/write-protection.js'

/** An open file of the host and its facts. */
export interface InputFile {
  readonly path: HostPath
  readonly store: FileStore
  readonly facts: FileFacts
}

/** An open file and the format that its first bytes show. */
export interface ProbedFile extends InputFile, Probe {}

/**
 * Open a regular file or block device. It refuses anything else before opening it: a FIFO would wait for ever.
 *
 * @throws UmlcowError NOT_A_FILE, WRITE_PROTECTED, IN_USE, or the system's code
 */
export async function openInput(files: HostFiles, path: HostPath, access: FileAccess = 'read'): Promise<InputFile> {
  const before = await files.stat(path)
  assertFileKind(path, before)
  const exclusive = before.kind === 'blockDevice' && access === 'readWrite'
  const store = await openExclusive(files, path, access, { size: before.size, exclusive })
  return closeOnFailure(store, async () => {
    const facts = files.statOpen(store)
    if (isSameFile(before, facts)) {
      refuseMadeUp(files, { path, store, facts })
      return { path, store, facts }
    }
    throw new UmlcowError('NOT_A_FILE', `${printablePath(path)}: was replaced while it was opened`)
  })
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
    throw new UmlcowError('IN_USE', `${printablePath(path)}: is mounted, or another process uses it exclusively`, {
      cause: error,
    })
  }
}

function assertFileKind(path: HostPath, facts: FileFacts): void {
  if (facts.kind === 'file' || facts.kind === 'blockDevice') return
  const kind = facts.kind === 'directory' ? 'a directory' : 'neither a regular file nor a block device'
  throw new UmlcowError('NOT_A_FILE', `${printablePath(path)}: is ${kind}`, { details: { kind: facts.kind } })
}

/** Refuse a file that the kernel makes up when it is read, as in /proc: it says that it has no bytes, and has some. */
function refuseMadeUp(files: HostFiles, { path, store, facts }: InputFile): void {
  if (facts.kind !== 'file' || facts.size > 0 || store.readNow(0, new Uint8Array(1)) === 0) return
  if (files.statOpen(store).size > 0) return // Another process has written to it meanwhile.
  throw new UmlcowError('NOT_A_FILE', `${store.name}: has content, but the host says that its size is 0`, {
    hint: `copy it into a file first: "cat ${shellQuote(path)} > NEW"`,
  })
}

/** Open a file and find its format. @throws UmlcowError as `openInput` */
export async function openProbed(files: HostFiles, path: HostPath, access: FileAccess = 'read'): Promise<ProbedFile> {
  const input = await openInput(files, path, access)
  return closeOnFailure(input.store, async () => ({ ...input, ...(await probe(input.store)) }))
}

/** Open a file, look at its first bytes, and close it again. */
export async function lookInto<T>(
  files: HostFiles,
  path: HostPath,
  look: (file: ProbedFile) => T | Promise<T>,
): Promise<T> {
  const file = await openProbed(files, path)
  try {
    return await look(file)
  } finally {
    await file.store.close()
  }
}

/** Parse the first bytes of a file. @throws UmlcowError for a damaged header */
export function layerOf({ format, head, path, facts }: ProbedFile): Layer {
  return parseLayer(format, head, { size: facts.size, name: printablePath(path) })
}

/** Call `run`, which takes over the store. Close the store when `run` fails. */
export async function closeOnFailure<T>(store: { close(): Promise<void> }, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    await store.close()
    throw error
  }
}
