import type { TreeFiles } from './host/tree-files.js'
import { walkNames } from './walk/walk-names.js'

/** Remove a tree of ours, or what else is there. */
export function removeTree(files: TreeFiles, top: Buffer): void {
  const facts = files.lstatOrNull(top)
  if (facts === null) return
  if (facts.type !== 'directory') {
    files.unlink(top)
    return
  }
  for (const { path, isDirectory } of walkNames(files, top)) {
    if (isDirectory) files.removeDirectory(path)
    else files.unlink(path)
  }
}
