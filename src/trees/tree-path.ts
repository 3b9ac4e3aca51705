import { joinPath } from '../machine/path-bytes.js'

/** Bytes of a path that the system takes. */
export const longestPath = 4095

/** The path of something in a tree; empty is the tree itself. */
export function inTree(tree: Buffer, path: Buffer): Buffer {
  return path.length === 0 ? tree : joinPath(tree, path)
}
