import { concatBytes, equalBytes, utf8Bytes } from '../../../bytes/fast.js'
import { safePath } from '../../../formats/manifest/index.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import type { ExtFile } from './walk-files.js'

const slash = utf8Bytes('/')

/**
 * Find the files of some paths. Their paths in a manifest are the given ones without the slashes around them. A link in
 * the last place of a path stands for itself; a slash after it stands for the directory that it leads to.
 *
 * @returns  none that lies below another one
 * @throws   UmlcowError FS_NOT_FOUND; UNSAFE_PATH for a path with `..`
 */
export async function findExtFiles(files: ExtFileSystem, paths: readonly Uint8Array[]): Promise<ExtFile[]> {
  const found: ExtFile[] = []
  for (const given of paths) {
    const path = safePath(given, 'the file system', {})
    const inode = await files.lookup(given, { followLast: false })
    if (!found.some((one) => isAtOrBelow(path, one.path))) found.push({ path, inode })
  }
  return found.filter((one) => !found.some((other) => other !== one && isAtOrBelow(one.path, other.path)))
}

function isAtOrBelow(path: Uint8Array, above: Uint8Array): boolean {
  if (above.length === 0 || equalBytes(path, above)) return true
  const start = concatBytes([above, slash])
  return path.length > start.length && equalBytes(path.subarray(0, start.length), start)
}
