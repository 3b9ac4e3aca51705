import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { directoryName, isAbsolutePath, joinPath } from '../machine/path-bytes.js'
import { targetFacts } from './guard-target.js'
import type { Overlay } from './open-overlay.js'
import { type LocatedFile, resolveBackingPath } from './resolve-backing.js'
import { storedBackingPath } from './stored-path.js'

/** A file that gets a copy in the same run. */
export interface CopiedFile {
  readonly facts: FileFacts
  /** Where its copy goes. */
  readonly target: HostPath
}

/** The path of a backing file for the header of a copy in another place. */
export interface MovedBacking {
  readonly path: Buffer
  /** The backing file of the original; null when it does not exist. */
  readonly located: LocatedFile | null
  readonly warnings: readonly string[]
}

/**
 * Find the path that leads from a copy of an overlay to the backing file of the original.
 *
 * An absolute path stays. So does a relative one that leads there from the current directory only, as the kernel reads
 * it. Any other relative path leads from the place of the copy afterwards. If a backing file beside the overlay gets a
 * copy in the same run, the path leads to that copy.
 *
 * @param target  the path of the copy
 * @throws        UmlcowError BACKING_AMBIGUOUS
 */
export async function movedBackingPath(
  files: HostFiles,
  overlay: Overlay,
  target: HostPath,
  copied: readonly CopiedFile[],
): Promise<MovedBacking> {
  const stored = Buffer.from(overlay.header.backingPath)
  const located = await locate(files, overlay)
  if (isAbsolutePath(stored)) return { path: stored, located, warnings: [] }
  const shown = printablePath(stored)
  if (located === null) {
    const warning = `${printablePath(overlay.path)}: its backing file "${shown}" does not exist; the copy keeps this path`
    return { path: stored, located, warnings: [warning] }
  }
  const copy = copied.find(({ facts }) => isSameFile(facts, located.facts))
  if (copy !== undefined) {
    const path = await storedBackingPath(files, target, copy.target, { kind: 'relative' })
    return { path: await sameOr(files, target, stored, copy.target, path), located, warnings: [] }
  }
  if (await leadsTo(files, overlay.path, target, stored, located.facts)) return { path: stored, located, warnings: [] }
  const relative = await storedBackingPath(files, target, located.path, { kind: 'relative' })
  if (await isClear(files, target, relative, located.facts)) return { path: relative, located, warnings: [] }
  const absolute = await storedBackingPath(files, target, located.path, { kind: 'absolute' })
  const warning =
    `${printablePath(target)}: gets the absolute path of its backing file, because the relative one leads to another ` +
    'file from the current directory'
  return { path: absolute, located, warnings: [warning] }
}

async function locate(files: HostFiles, overlay: Overlay): Promise<LocatedFile | null> {
  try {
    return await resolveBackingPath(files, overlay.path, overlay.header.backingPath)
  } catch (error) {
    if (!hasCode(error, 'BACKING_AMBIGUOUS') || !(error instanceof UmlcowError)) throw error
    const { details } = error
    throw new UmlcowError('BACKING_AMBIGUOUS', error.message, {
      details,
      hint: 'copy from the directory of the overlay, or use --keep-path to keep the path as it is',
    })
  }
}

/** Keep the stored path where it names the same place as the new one, such as `./root_fs` and `root_fs`. */
async function sameOr(
  files: HostFiles,
  target: HostPath,
  stored: Buffer,
  wanted: HostPath,
  path: Buffer,
): Promise<Buffer> {
  const place = joinPath(directoryName(target), stored)
  try {
    const again = await storedBackingPath(files, target, place, { kind: 'relative' })
    return again.equals(await storedBackingPath(files, target, wanted, { kind: 'relative' })) ? stored : path
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return path
    throw error
  }
}

/** Test whether the path as it stands leads from the copy to the file, in the same way as it does from the overlay. */
async function leadsTo(
  files: HostFiles,
  overlayPath: HostPath,
  target: HostPath,
  stored: Buffer,
  file: FileFacts,
): Promise<boolean> {
  const fromOverlay = await besideOf(files, overlayPath, stored)
  const fromCopy = await besideOf(files, target, stored)
  if (fromCopy !== null) return isClear(files, target, stored, file)
  return fromOverlay === null
}

/** Look at the file that a relative path names from the directory of another file. */
async function besideOf(files: HostFiles, file: HostPath, path: Buffer): Promise<FileFacts | null> {
  try {
    return await targetFacts(files, joinPath(directoryName(file), path))
  } catch (error) {
    if (hasCode(error, 'ENAMETOOLONG')) return null
    throw error
  }
}

/** Test whether a relative path leads from the copy to the file, and from the current directory to no other. */
async function isClear(files: HostFiles, target: HostPath, path: Buffer, file: FileFacts): Promise<boolean> {
  try {
    const found = await resolveBackingPath(files, target, path)
    const beside = await besideOf(files, target, path)
    return found !== null && beside !== null && isSameFile(found.facts, file) && isSameFile(beside, file)
  } catch (error) {
    if (hasCode(error, 'BACKING_AMBIGUOUS')) return false
    throw error
  }
}
