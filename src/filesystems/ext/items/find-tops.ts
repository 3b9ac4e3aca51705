import { printablePath } from '../../../bytes/escape.js'
import { concatBytes, equalBytes, latin1Text, utf8Bytes } from '../../../bytes/fast.js'
import { UmlcowError } from '../../../errors.js'
import { safePath } from '../../../formats/manifest/index.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import type { ExtFile } from './walk-files.js'

const slash = utf8Bytes('/')

/**
 * Find the files of some paths. Their paths in a manifest are the given ones without the slashes around them. A link in
 * the last place of a path stands for itself; a slash after it stands for the directory that it leads to.
 *
 * @param onInside  is called for each path that lies in the directory of another path
 * @returns  the files of all other paths
 * @throws   UmlcowError FS_NOT_FOUND; UNSAFE_PATH for a path with `..`
 */
export async function findExtFiles(
  files: ExtFileSystem,
  paths: readonly Uint8Array[],
  onInside: (path: Uint8Array, directory: Uint8Array) => void = () => {},
): Promise<ExtFile[]> {
  const found: ExtFile[] = []
  for (const given of paths) {
    const path = manifestPath(given)
    const inode = await files.lookup(given, { followLast: false })
    if (!found.some((one) => equalBytes(one.path, path))) found.push({ path, inode })
  }
  return found.filter((one) => {
    const above = found.find((other) => other !== one && isAtOrBelow(one.path, other.path))
    if (above !== undefined) onInside(one.path, above.path)
    return above === undefined
  })
}

function manifestPath(given: Uint8Array): Uint8Array {
  if (latin1Text(given).split('/').includes('..')) {
    throw new UmlcowError('UNSAFE_PATH', `${printablePath(given)}: a path of files to copy cannot hold ".."`, {
      hint: 'write the path from the root directory of the image',
    })
  }
  return safePath(given, 'the file system', {})
}

function isAtOrBelow(path: Uint8Array, above: Uint8Array): boolean {
  if (above.length === 0 || equalBytes(path, above)) return true
  const start = concatBytes([above, slash])
  return path.length > start.length && equalBytes(path.subarray(0, start.length), start)
}
