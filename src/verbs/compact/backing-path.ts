import type { HostFiles } from '../../machine/host-files.js'
import { isAbsolutePath } from '../../machine/path-bytes.js'
import { movedBackingPath } from '../../overlays/moved-backing.js'
import { movedQcow2Backing, withoutProtocol } from '../../overlays/moved-qcow2-backing.js'
import { layerOf, type ProbedFile } from '../../overlays/open.js'
import { withHeader } from '../../overlays/open-overlay.js'
import { storedBackingPath } from '../../overlays/stored-path.js'
import type { CompactOptions } from './options.js'

/** What the header of the compact image says about its backing file. */
export interface StoredBacking {
  readonly path: Buffer
  readonly warnings: readonly string[]
}

/**
 * Find the path for the header of the compact image; null for an image without a backing file.
 *
 * In another directory, a relative path changes as in a copy. A path in a jail stays: it does not depend on the place.
 *
 * @param target  the place of the compact image
 */
export async function storedBacking(
  files: HostFiles,
  file: ProbedFile,
  target: Buffer,
  { output, backing, backingRoot }: CompactOptions,
): Promise<StoredBacking | null> {
  const { header, below } = layerOf(file)
  if (below === null) return null
  const stored = Buffer.from(below.path)
  if (output === undefined || backingRoot !== undefined || isAbsolutePath(stored)) return { path: stored, warnings: [] }
  if (backing !== undefined) {
    const path = await storedBackingPath(files, target, backing, { kind: 'relative' })
    return { path: header === null ? withoutProtocol(path) : path, warnings: [] }
  }
  return header === null
    ? movedQcow2Backing(files, { path: file.path, facts: file.facts, below }, target, [])
    : movedBackingPath(files, withHeader(file, header), target, [])
}
