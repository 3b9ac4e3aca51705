import { hasCode } from '../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { directoryName, isAbsolutePath, joinPath, pathBytes } from '../machine/path-bytes.js'
import { type LocatedFile, resolveBackingPath } from './resolve-backing.js'

/** Finds the files that paths in headers may lead to. Most headers have the same path, so it caches each look-up. */
export interface HeaderTargets {
  /**
   * Find every file that the path in a header leads to: on this host, from each name of the overlay and from the
   * current directory, and in the jail.
   *
   * @param paths  names of the overlay
   */
  find(paths: readonly Buffer[], headerPath: Uint8Array): Promise<Target[]>
}

export interface Target extends LocatedFile {
  /** The path leads to it as a process in the jail resolves the path. */
  readonly inJail: boolean
}

/** Make a cache of the files that headers lead to. @param backingRoot  the jail, when there is one */
export function headerTargets(files: HostFiles, backingRoot: string | undefined): HeaderTargets {
  const known = new Map<string, Promise<LocatedFile | null>>()
  const look = (path: Uint8Array, root?: string): Promise<LocatedFile | null> => {
    const key = `${root === undefined ? 'host' : 'jail'} ${Buffer.from(path).toString('latin1')}`
    const pending = known.get(key) ?? statQuietly(files, path, root)
    known.set(key, pending)
    return pending
  }
  return {
    async find(paths, headerPath) {
      if (headerPath.length === 0) return []
      const inJail = backingRoot === undefined ? [] : [look(headerPath, backingRoot)]
      const found = await Promise.all([...inJail, ...namesOnHost(paths, headerPath).map((name) => look(name))])
      return distinct(found.map((one, i) => (one === null ? null : { ...one, inJail: i < inJail.length })))
    },
  }
}

/**
 * Find every file that the header of one overlay leads to. Links may lead to the overlay.
 *
 * @param backingRoot  the jail, when there is one
 */
export async function targetsOf(
  files: HostFiles,
  overlayPath: HostPath,
  headerPath: Uint8Array,
  backingRoot?: string,
): Promise<Target[]> {
  const names = [pathBytes(overlayPath), await files.realPath(overlayPath)]
  return headerTargets(files, backingRoot).find(names, headerPath)
}

/** Test whether the path in a header may mean this file. */
export async function mayLeadTo(
  files: HostFiles,
  overlayPath: HostPath,
  headerPath: Uint8Array,
  file: FileFacts,
): Promise<boolean> {
  const targets = await targetsOf(files, overlayPath, headerPath)
  return targets.some(({ facts }) => isSameFile(facts, file))
}

function namesOnHost(paths: readonly HostPath[], headerPath: Uint8Array): Uint8Array[] {
  if (isAbsolutePath(headerPath)) return [headerPath]
  return [...paths.map((path) => joinPath(directoryName(path), headerPath)), headerPath]
}

async function statQuietly(files: HostFiles, path: Uint8Array, root: string | undefined): Promise<LocatedFile | null> {
  try {
    const name = Buffer.from(path)
    return await resolveBackingPath(files, name, name, { backingRoot: root, relativeTo: 'currentDirectory' })
  } catch (error) {
    // The path leads where umlcow may not look, or in a circle. Treat it as a path to nowhere.
    if (hasCode(error, 'EACCES', 'EPERM', 'ELOOP', 'DEVICE_SIZE', 'BACKING_OUTSIDE_ROOT')) return null
    throw error
  }
}

/** Keep each file once; files found in the jail come first. */
function distinct(found: readonly (Target | null)[]): Target[] {
  const targets: Target[] = []
  for (const one of found) {
    if (one !== null && !targets.some(({ facts }) => isSameFile(facts, one.facts))) targets.push(one)
  }
  return targets
}

/** Test whether the kernel accepts this file as the backing file of a header. */
export function fits({ mtime, virtualSize }: { mtime: number; virtualSize: number }, facts: FileFacts): boolean {
  return mtime === facts.mtime && virtualSize === facts.size
}
