import { printablePath } from '../bytes/escape.js'
import { hasCode, throwIfAborted, UmlcowError } from '../errors.js'
import { orNameTooLong } from './derived-names.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from './host-files.js'
import { directoryName, joinPath, pathBytes } from './path-bytes.js'
import type { FileStore } from './stores/file-store.js'
import { refuseWriteProtected } from './write-protection.js'

export interface NewFileOptions {
  /** Permission bits of a new file. A replaced file keeps its own, and its owner where umlcow may set it. */
  readonly permissions: number
  /** Skip every fsync. */
  readonly noSync?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Give the full file its owner, permissions and times; default: `permissions`, or those of the replaced file. */
  readonly setAttributes?: ((store: FileStore) => Promise<void>) | undefined
}

/** The place that gets the bytes of a new file: the file behind a link, when that exists. */
export interface NewFileTarget {
  readonly path: Buffer
  /** The file that is there now; null for none. */
  readonly existing: FileFacts | null
}

const temporaryPrefix = '.umlcow-'
const temporarySuffix = '.tmp'
const hexDigits = new Set('0123456789abcdef')
const randomLength = 12

/**
 * Test whether a name is a temporary one of `writeNewFile`. Its file is not finished: either a process still writes it,
 * or a killed process left it.
 */
export function isTemporaryName(bytes: Uint8Array): boolean {
  const name = Buffer.from(bytes).toString('latin1')
  if (!name.startsWith(temporaryPrefix) || !name.endsWith(temporarySuffix)) return false
  const [pid = '', random = '', ...more] = name.slice(temporaryPrefix.length, -temporarySuffix.length).split('-')
  const isRandom = random.length === randomLength && [...random].every((digit) => hexDigits.has(digit))
  return isRandom && more.length === 0 && pid !== '' && Number.isSafeInteger(Number(pid))
}

/** Make a free name in a directory, for a file that umlcow later removes or renames. */
export function temporaryPathIn(directory: Buffer): Buffer {
  return joinPath(directory, `${temporaryPrefix}${process.pid}-${randomHex(randomLength)}${temporarySuffix}`)
}

/** The longest temporary name that `writeNewFile` can make: a pid has at most seven digits. */
export const longestTemporaryName = `${temporaryPrefix}${'9'.repeat(7)}-${'f'.repeat(randomLength)}${temporarySuffix}`

/**
 * Look at the place of a new file, and refuse one where the file may not go.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, WRITE_PROTECTED
 */
export async function inspectTarget(files: HostFiles, path: HostPath, overwrite: boolean): Promise<NewFileTarget> {
  const shown = printablePath(path)
  if (pathBytes(path).at(-1) === 0x2f)
    throw new UmlcowError('TARGET_KIND', `${shown}: is the name of a directory: expected the name of a file`)
  const here = await files.lstatOrNull(path)
  if (here === null) return { path: Buffer.from(path as Buffer), existing: null }
  if (here.kind === 'directory') {
    throw new UmlcowError('TARGET_KIND', `${shown}: is a directory: expected the name of a file`)
  }
  let target: NewFileTarget
  try {
    const path2 = await files.realPath(path)
    target = { path: path2, existing: await files.stat(path2) }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new UmlcowError('TARGET_KIND', `${shown}: is a link to a file that does not exist`)
  }
  if (target.existing?.kind !== 'file') {
    throw new UmlcowError('TARGET_KIND', `${shown}: is not a regular file, so it cannot be replaced`)
  }
  await refuseWriteProtected(files, path)
  if (!overwrite) throw targetExists(path, giveNewName)
  return target
}

/** The hint for a file that no option replaces. */
export const giveNewName = 'give another name, or remove it first'

/** The refusal of a file that umlcow could replace. It comes last: --overwrite does not help against the others. */
export function targetExists(path: HostPath, hint = 'use --overwrite to replace it'): UmlcowError {
  return new UmlcowError('TARGET_EXISTS', `${printablePath(path)}: exists already`, { hint })
}

/** Not a secret: the name must be free, and creating the file fails when it is not. */
function randomHex(length: number): string {
  return Math.floor(Math.random() * 16 ** length)
    .toString(16)
    .padStart(length, '0')
}

/**
 * Make a file that appears under its name whole or not at all.
 *
 * This fills and syncs a file under a temporary name in the same directory. Then it links or renames the file to its
 * own name, and syncs the directory. After any failure it removes the temporary file.
 *
 * It replaces only the file that `target.existing` describes, never one that has appeared since.
 *
 * @param fill  writes the content; the store is empty at first
 * @throws      UmlcowError TARGET_EXISTS when another file has taken the name since, and what `fill` throws
 */
export async function writeNewFile(
  files: HostFiles,
  target: NewFileTarget,
  options: NewFileOptions,
  fill: (store: FileStore, temporaryPath: Buffer) => Promise<void>,
): Promise<void> {
  const directory = directoryName(target.path)
  const temporaryPath = temporaryPathIn(directory)
  const name = printablePath(target.path)
  const store = await orNameTooLong(
    { of: target.path, what: 'temporary file', path: temporaryPath },
    files.open(temporaryPath, 'createNew', { permissions: 0o600, name }),
  )
  try {
    try {
      await fill(store, temporaryPath)
      if (options.setAttributes !== undefined) await options.setAttributes(store)
      else await applyOwnership(files, store, target.existing, options.permissions)
      if (!options.noSync) await store.sync()
      throwIfAborted(options.signal)
    } finally {
      await store.close()
    }
    const moved = await placeTemporary(files, temporaryPath, target)
    if (!moved) await files.unlink(temporaryPath)
  } catch (error) {
    await removeQuietly(files, temporaryPath)
    throw error
  }
  if (!options.noSync) await files.syncDirectory(directory)
}

/** Remove a file after a failure. A second failure must not hide the first. */
export async function removeQuietly(files: HostFiles, path: Buffer): Promise<void> {
  try {
    await files.unlink(path)
  } catch {
    // Gone already, or the disk fails altogether. The first error reports that.
  }
}

async function applyOwnership(
  files: HostFiles,
  store: FileStore,
  existing: FileFacts | null,
  permissions: number,
): Promise<void> {
  if (existing !== null) {
    try {
      await files.setOwner(store, existing.owner, existing.group)
    } catch (error) {
      // Only root may give files away. The content matters more than the owner, so the file stays with this user.
      if (!hasCode(error, 'EPERM')) throw error
    }
  }
  await files.setPermissions(store, existing?.permissions ?? permissions & ~files.user().umask)
}

/**
 * Give a temporary file its final name. It replaces only the file that `target.existing` describes.
 *
 * @returns true when the temporary name is gone
 * @throws  UmlcowError TARGET_EXISTS when another file has taken the name
 */
export async function placeTemporary(files: HostFiles, temporaryPath: Buffer, target: NewFileTarget): Promise<boolean> {
  if (target.existing !== null) {
    const now = await files.lstatOrNull(target.path)
    if (now === null || !isSameFile(now, target.existing)) throw takenMeanwhile(target.path)
    await files.rename(temporaryPath, target.path)
    return true
  }
  try {
    await files.link(temporaryPath, target.path)
    return false
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw takenMeanwhile(target.path)
    if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error
  }
  return placeWithoutLinks(files, temporaryPath, target.path)
}

/** Reserve the name, then rename over it: the way for file systems without hard links. */
async function placeWithoutLinks(files: HostFiles, temporaryPath: Buffer, path: Buffer): Promise<boolean> {
  let reserved: FileStore
  try {
    reserved = await files.open(path, 'createNew')
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? takenMeanwhile(path) : error
  }
  try {
    await reserved.close()
    await files.rename(temporaryPath, path)
    return true
  } catch (error) {
    await files.unlink(path)
    throw error
  }
}

function takenMeanwhile(path: Buffer): UmlcowError {
  return new UmlcowError('TARGET_EXISTS', `${printablePath(path)}: another process has made or replaced it meanwhile`)
}
