import { joinPath } from '../machine/path-bytes.js'

/** Bytes of the longest path that the system takes. */
export const longestPath = 4095

/** Make the host's path of a name in a tree. The empty path is the tree itself. */
export function inTree(tree: Buffer, path: Buffer): Buffer {
  return path.length === 0 ? tree : joinPath(tree, path)
}
