import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import type { HostFiles, HostPath } from '../machine/host-files.js'
import { baseName, directoryName, joinPath, pathBytes, pathComponents } from '../machine/path-bytes.js'

/** How to write the path of a backing file into a header. */
export type PathStyle =
  /** Absolute, with the links in its directory resolved: as uml_mkcow and the kernel do. */
  | { readonly kind: 'absolute' }
  /** As the user typed it. */
  | { readonly kind: 'asTyped' }
  /** Relative to the directory of the overlay. */
  | { readonly kind: 'relative' }
  /** As a process whose root directory is `jail` sees it. */
  | { readonly kind: 'chroot'; readonly jail: string }

/**
 * Compute the bytes to store for a backing file.
 *
 * @throws UmlcowError BACKING_OUTSIDE_ROOT, or the system's code when a directory on the way does not exist
 */
export async function storedBackingPath(
  files: HostFiles,
  overlayPath: HostPath,
  backingPath: HostPath,
  style: PathStyle,
): Promise<Buffer> {
  if (style.kind === 'asTyped') return pathBytes(backingPath)
  const absolute = joinPath(await files.realPath(directoryName(backingPath)), baseName(backingPath))
  if (style.kind === 'absolute') return absolute
  if (style.kind === 'relative') return relativePath(await files.realPath(directoryName(overlayPath)), absolute)
  return insideJail(await files.realPath(style.jail), absolute)
}

function commonComponents(a: readonly Buffer[], b: readonly Buffer[]): number {
  let count = 0
  while (count < a.length && count < b.length && a[count]?.equals(b[count] as Buffer)) count++
  return count
}

function joinComponents(components: readonly Buffer[]): Buffer {
  return components.reduce((path: Buffer, next, index) => (index === 0 ? next : joinPath(path, next)), Buffer.alloc(0))
}

function relativePath(fromDirectory: Buffer, to: Buffer): Buffer {
  const from = pathComponents(fromDirectory)
  const target = pathComponents(to)
  const shared = commonComponents(from, target)
  const up = from.slice(shared).map(() => Buffer.from('..'))
  return joinComponents([...up, ...target.slice(shared)])
}

function insideJail(jail: Buffer, absolute: Buffer): Buffer {
  const jailComponents = pathComponents(jail)
  const target = pathComponents(absolute)
  if (commonComponents(jailComponents, target) === jailComponents.length) {
    return joinPath('/', joinComponents(target.slice(jailComponents.length)))
  }
  throw new UmlcowError('BACKING_OUTSIDE_ROOT', `${printablePath(absolute)}: is not inside ${printablePath(jail)}`)
}
