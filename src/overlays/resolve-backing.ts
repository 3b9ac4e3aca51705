import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { directoryName, dotDot, isAbsolutePath, joinPath, pathComponents } from '../machine/path-bytes.js'

/** Follow this many links before a path counts as a circle: the limit of Linux. */
const maxLinks = 40

export interface LocatedFile {
  readonly path: Buffer
  readonly facts: FileFacts
}

export interface ResolveOptions {
  /** Resolve paths inside this directory, as a process in that chroot jail would. */
  readonly backingRoot?: string | undefined
  /**
   * Where to look for a relative path of a header. `overlay`, the default: beside the overlay and in the current
   * directory. `currentDirectory`: only there, as uml_moo and the kernel do. `besideOverlay`: only there, as QEMU does.
   */
  readonly relativeTo?: 'overlay' | 'currentDirectory' | 'besideOverlay' | undefined
}

/**
 * Find the backing file that a header names.
 *
 * An absolute path is taken as it stands. For a relative one, this looks in the overlay's directory, then in the
 * current directory. It only calls `stat`, and opens nothing.
 *
 * @returns null when no such file exists
 * @throws  UmlcowError BACKING_AMBIGUOUS, BACKING_OUTSIDE_ROOT, or the system's code (EACCES, ELOOP, ...)
 */
export async function resolveBackingPath(
  files: HostFiles,
  overlayPath: HostPath,
  headerPath: Uint8Array,
  options: ResolveOptions = {},
): Promise<LocatedFile | null> {
  if (headerPath.length === 0) return null
  if (options.backingRoot !== undefined) {
    const inside = await resolveInRoot(files, options.backingRoot, headerPath)
    return inside === null ? null : statOrNull(files, inside)
  }
  const beside = () => statOrNull(files, joinPath(directoryName(overlayPath), headerPath))
  if (options.relativeTo === 'besideOverlay' && !isAbsolutePath(headerPath)) return beside()
  const asItStands = await statOrNull(files, Buffer.from(headerPath))
  if (isAbsolutePath(headerPath) || options.relativeTo === 'currentDirectory') return asItStands
  const besideOverlay = await beside()
  if (besideOverlay !== null && asItStands !== null && !isSameFile(besideOverlay.facts, asItStands.facts)) {
    const shown = printablePath(headerPath)
    throw new UmlcowError(
      'BACKING_AMBIGUOUS',
      `${printablePath(overlayPath)}: its backing file "${shown}" exists both beside it and in the current directory, ` +
        'and these are different files',
      { details: { headerPath: shown }, hint: 'say which one with -b' },
    )
  }
  return besideOverlay ?? asItStands
}

async function statOrNull(files: HostFiles, path: Buffer): Promise<LocatedFile | null> {
  try {
    return { path, facts: await files.stat(path) }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return null
    throw error
  }
}

/**
 * Resolve `path` as a process whose root directory is `root`: `..` stops at the root, and absolute links start there.
 * Returns the path on the host, or null when a component does not exist.
 */
async function resolveInRoot(files: HostFiles, root: string, path: Uint8Array): Promise<Buffer | null> {
  const rootPath = await files.realPath(root)
  const pending = pathComponents(path)
  let resolved: Buffer[] = []
  const hostPath = () => resolved.reduce((directory: Buffer, name) => joinPath(directory, name), rootPath)
  let linksLeft = maxLinks
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (next.equals(dotDot)) {
      resolved = resolved.slice(0, -1)
      continue
    }
    resolved.push(next)
    const facts = await files.lstatOrNull(hostPath())
    if (facts === null) return null
    if (facts.kind !== 'other') continue
    const target = await linkTarget(files, hostPath())
    if (target === null) continue
    if (linksLeft-- === 0) {
      throw new UmlcowError(
        'BACKING_OUTSIDE_ROOT',
        `${printablePath(path)}: too many links inside ${printablePath(root)}`,
      )
    }
    resolved = isAbsolutePath(target) ? [] : resolved.slice(0, -1)
    pending.unshift(...pathComponents(target))
  }
  return hostPath()
}

async function linkTarget(files: HostFiles, path: Buffer): Promise<Buffer | null> {
  try {
    return await files.readLink(path)
  } catch (error) {
    if (hasCode(error, 'EINVAL')) return null // Not a link: a FIFO, a socket, a character device.
    throw error
  }
}
