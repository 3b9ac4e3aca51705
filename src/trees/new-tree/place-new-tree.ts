import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import type { TreeHost } from '../host/tree-host.js'
import { removeTree } from '../remove-tree.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'
import type { NewTree } from './new-tree.js'

const ownerBits = 0o700

/**
 * Give a tree its name. Only root can move a directory without write permission. For other users it sets the mode of
 * such a directory after the move.
 *
 * @throws UmlcowError TARGET_EXISTS
 */
export function placeNewTree({ reader, writer, top }: NewTree, directory: HostPath): void {
  const { mode } = reader.lstat(top)
  const isLocked = reader.user().uid !== 0 && (mode & ownerBits) !== ownerBits
  if (isLocked) writer.setMode(top, mode | ownerBits)
  const held = isLocked ? writer.holdDirectory(top) : null
  try {
    writer.rename(top, joinPath(directoryName(directory), baseName(directory)))
    if (held !== null) writer.setMode(joinPath(held.path, '.'), mode)
  } catch (error) {
    if (!hasCode(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR')) throw error
    throw new UmlcowError('TARGET_EXISTS', `${printablePath(directory)}: another process created it meanwhile`, {
      cause: error,
    })
  } finally {
    held?.close()
  }
}

/** Remove a tree that did not get its name. Users other than root may need new modes on its directories first. */
export function removeNewTree(host: TreeHost, top: Buffer): void {
  try {
    removeTree(host, top)
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error
    for (const { path, facts, isLeaving } of walkTree(host.reader, top)) {
      if (facts.type === 'directory' && !isLeaving) host.writer.setMode(inTree(top, path), ownerBits)
    }
    removeTree(host, top)
  }
}
