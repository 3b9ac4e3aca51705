import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { HostPath } from '../../machine/host-files.js'
import { baseName, directoryName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../host/tree-facts.js'
import type { TreeHost } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import { removeTree } from '../remove-tree.js'
import { inTree } from '../tree-path.js'
import { walkTree } from '../walk/walk-tree.js'

const ownerBits = 0o700

/**
 * Give a tree its name. Only root can move a directory without write permission. For other users it sets the mode of
 * such a directory after the move.
 *
 * @throws UmlcowError TARGET_EXISTS
 */
export function placeNewTree({ reader, writer }: TreeHost, top: Buffer, directory: HostPath): void {
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

/**
 * Give a file or directory of a new tree its name in a directory that exists. A file keeps its name in the tree, too.
 *
 * @throws UmlcowError TARGET_EXISTS; the name stays as it is
 */
export function placeNewName(host: TreeHost, made: Buffer, place: Buffer): void {
  if (host.reader.lstatOrNull(place) !== null) throw nameTaken(place)
  if (host.reader.lstat(made).type === 'directory') {
    placeNewTree(host, made, place)
    return
  }
  try {
    // Unlike a rename, this replaces nothing.
    host.writer.link(made, place)
  } catch (error) {
    throw hasCode(error, 'EEXIST') ? nameTaken(place) : error
  }
}

/** A name that was placed: where, and where it was in the new tree. */
export interface PlacedName {
  readonly place: Buffer
  readonly made: Buffer
  readonly facts: TreeFacts
}

/** Move names back into the new tree, but none that another process has replaced meanwhile. */
export function takeBackNames(host: TreeHost, placed: readonly PlacedName[]): void {
  for (const { place, made, facts } of placed) {
    const found = host.reader.lstatOrNull(place)
    if (found?.device !== facts.device || found.inode !== facts.inode) continue
    if (facts.type === 'directory') placeNewTree(host, place, made)
    else host.writer.unlink(place)
  }
}

/** Check that new names are free, and that their directory exists. @throws UmlcowError TARGET_EXISTS */
export function guardNewNames(reader: TreeReader, directory: HostPath, names: readonly Buffer[]): void {
  const above = pathBytes(directory)
  try {
    // With the dot at its end, this fails for anything but a directory.
    reader.lstat(joinPath(above, '.'))
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    const hint = `create the directory first: mkdir -p ${printablePath(directory)}`
    throw new UmlcowError('ENOENT', `${printablePath(directory)}: does not exist`, { hint, cause: error })
  }
  for (const name of names) {
    const place = joinPath(above, name)
    if (reader.lstatOrNull(place) !== null) throw nameTaken(place)
  }
}

function nameTaken(place: Buffer): UmlcowError {
  return new UmlcowError('TARGET_EXISTS', `${printablePath(place)}: exists`, {
    hint: 'remove it first, or extract to another directory',
  })
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
