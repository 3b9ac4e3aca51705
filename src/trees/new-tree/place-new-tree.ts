import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import type { TreeFiles } from '../host/tree-files.js'
import { removeTree } from '../remove-tree.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import type { NewTree } from './make-new-tree.js'

const ownerBits = 0o700

/**
 * Give a tree its name. To others than root the system moves no directory that they may not write to: such a one gets its
 * mode when it has its name.
 *
 * @throws UmlcowError TARGET_EXISTS
 */
export function placeNewTree({ top, treeFiles, maker }: NewTree, directory: HostPath): void {
  const { mode } = treeFiles.lstat(top)
  const isLocked = process.geteuid?.() !== 0 && (mode & ownerBits) !== ownerBits
  if (isLocked) treeFiles.setMode(top, mode | ownerBits)
  const held = isLocked ? maker.holdDirectory(top) : null
  try {
    treeFiles.rename(top, joinPath(directoryName(directory), baseName(directory)))
    if (held !== null) treeFiles.setMode(joinPath(held.path, '.'), mode)
  } catch (error) {
    if (!hasCode(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR')) throw error
    throw new UmlcowError('TARGET_EXISTS', `${printablePath(directory)}: was made by somebody else meanwhile`, {
      cause: error,
    })
  } finally {
    held?.close()
  }
}

/** Remove a tree that did not get its name. Modes of its directories may keep us out, if we are not root. */
export function removeNewTree(files: TreeFiles, top: Buffer): void {
  try {
    removeTree(files, top)
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error
    for (const { path, facts, isLeaving } of walkTree(files, top)) {
      if (facts.type === 'directory' && !isLeaving) files.setMode(inTree(top, path), ownerBits)
    }
    removeTree(files, top)
  }
}
