import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import { entryName } from '../../trees/kinds/humfs/paths.js'
import type { TreeItem } from '../../trees/walk/walk-tree.js'

const reserved = Buffer.from(entryName)

export interface RenamedItem {
  /** Where it comes to lie in data. */
  readonly path: Buffer
  /** What the metadata calls it. */
  readonly stored: Buffer
}

/**
 * What becomes of a directory called `metadata`: its own metadata directory would lie where its parent has its entry.
 *
 * @returns null for everything else
 */
export function storedItem({ path, stored, facts }: TreeItem, suffix: string | null): RenamedItem | null {
  if (path.length === 0 || facts.type !== 'directory' || !baseName(path).equals(reserved)) return null
  return { path: withSuffix(path, suffix ?? ''), stored: withSuffix(stored, suffix ?? '') }
}

function withSuffix(path: Buffer, suffix: string): Buffer {
  const name = Buffer.concat([reserved, Buffer.from(suffix)])
  return path.length === reserved.length ? name : joinPath(directoryName(path), name)
}
