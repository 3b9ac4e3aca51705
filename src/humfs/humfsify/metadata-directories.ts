import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import { entryName } from '../../trees/kinds/humfs/paths.js'
import type { TreeItem } from '../../trees/walk/walk-tree.js'

const reserved = Buffer.from(entryName)

export interface RenamedItem {
  /** Its new path in data. */
  readonly path: Buffer
  /** Its path in the metadata. */
  readonly stored: Buffer
}

/**
 * Find the new name of a directory called `metadata`. Under the old name its metadata directory would collide with the
 * entry of the directory above.
 *
 * @returns null for any other name
 */
export function storedItem({ path, stored, facts }: TreeItem, suffix: string | null): RenamedItem | null {
  if (path.length === 0 || facts.type !== 'directory' || !baseName(path).equals(reserved)) return null
  return { path: withSuffix(path, suffix ?? ''), stored: withSuffix(stored, suffix ?? '') }
}

function withSuffix(path: Buffer, suffix: string): Buffer {
  const name = Buffer.concat([reserved, Buffer.from(suffix)])
  return path.length === reserved.length ? name : joinPath(directoryName(path), name)
}
