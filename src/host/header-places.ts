import { hasCode } from '../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from './host-files.js'
import { directoryName, isAbsolutePath, joinPath } from './path-bytes.js'
import { type ResolveOptions, resolveBackingPath } from './resolve-backing.js'

/** Nothing is there, or nothing that we may look at: the verb itself says so, where it matters. */
export const unreachable = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP'] as const

/**
 * Every file that the path in a header may mean. Where `resolveBackingPath` wants one answer, this is for whoever must not
 * overlook any: a relative path beside the overlay and one in the current directory are both here.
 */
export async function headerPlaces(
  files: HostFiles,
  overlayPath: HostPath,
  headerPath: Uint8Array,
  { backingRoot }: Pick<ResolveOptions, 'backingRoot'> = {},
): Promise<{ path: Buffer; facts: FileFacts }[]> {
  if (headerPath.length === 0) return []
  const places: Buffer[] = [Buffer.from(headerPath)]
  if (!isAbsolutePath(headerPath)) {
    places.push(joinPath(directoryName(overlayPath), headerPath))
    places.push(joinPath(directoryName(await files.realPath(overlayPath)), headerPath))
  }
  if (backingRoot !== undefined) {
    const inside = await resolveBackingPath(files, overlayPath, headerPath, { backingRoot })
    if (inside !== null) places.push(inside.path)
  }
  const found: { path: Buffer; facts: FileFacts }[] = []
  for (const path of places) {
    const facts = await factsOrNull(files, path)
    if (facts !== null) found.push({ path, facts })
  }
  return found
}

async function factsOrNull(files: HostFiles, path: Buffer): Promise<FileFacts | null> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (hasCode(error, 'DEVICE_SIZE', ...unreachable)) return null
    throw error
  }
}

/** Whether the path in a header may mean this file. */
export async function mayLeadTo(
  files: HostFiles,
  overlayPath: HostPath,
  headerPath: Uint8Array,
  file: FileFacts,
): Promise<boolean> {
  const places = await headerPlaces(files, overlayPath, headerPath)
  return places.some(({ facts }) => isSameFile(facts, file))
}
