import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import type { HostUser } from '../../machine/host-user.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import type { HeldDirectory } from '../host/new-tree-file.js'
import type { TreeFacts } from '../host/tree-facts.js'
import type { TreeHost } from '../host/tree-host.js'
import type { TreeReader } from '../host/tree-reader.js'
import type { TreeWriter } from '../host/tree-writer.js'
import { removeNewTree } from './place-new-tree.js'

// A new tree is built in a work directory that no other user can enter, beside its final place:
//   .umlcow-new-NAME/tree    the tree
//   .umlcow-new-NAME/draft   a node, before it gets its name
//   .umlcow-new-NAME/attributes   extended attributes, for the program that sets them
// The name is the same for every run, so that the next run finds what a killed run left.
const workPrefix = '.umlcow-new-'
/** Bytes of the final name that go into the name of the work directory; the system takes names of 255. */
const longestPart = 200
const namesInWork = ['tree', 'draft', 'draft-socket', 'attributes']

/** Get the path of the work directory for a new tree. */
export function newTreeWork(directory: HostPath): Buffer {
  const name = Buffer.concat([Buffer.from(workPrefix), baseName(directory).subarray(0, longestPart)])
  return joinPath(directoryName(directory), name)
}

/** Make the work directory, or take the one that a killed run left. No other user may have been in it. */
export function takeWork({ reader, writer }: TreeHost, work: Buffer): HeldDirectory {
  const user = reader.user()
  try {
    writer.makeDirectory(work, 0o700)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const held = isOurs(reader.lstat(work), user) ? writer.holdDirectory(work) : null
  // Check again through the open directory: another user may have put a directory in its place.
  const facts = held === null ? null : reader.lstat(joinPath(held.path, '.'))
  if (held !== null && facts !== null && isOurs(facts, user) && hasOnlyOurs(reader, held)) {
    // A directory above with the setgid bit passes on its group and the bit.
    writer.setOwner(joinPath(held.path, '.'), { uid: facts.uid, gid: user.gid })
    writer.setMode(joinPath(held.path, '.'), 0o700)
    return held
  }
  held?.close()
  throw new UmlcowError('TARGET_EXISTS', `${printablePath(work)}: exists, but is not a work directory of this user`, {
    hint: 'umlcow needs this name for its work: move the file or directory away',
  })
}

function isOurs({ type, uid, mode }: TreeFacts, user: HostUser): boolean {
  return type === 'directory' && uid === user.uid && (mode & 0o077) === 0
}

function hasOnlyOurs(reader: TreeReader, { path }: HeldDirectory): boolean {
  return [...reader.children(path)].every(({ name }) => namesInWork.includes(name.toString('latin1')))
}

/** Keep other runs out of the work directory. @throws UmlcowError IN_USE */
export async function lockWork(hostFiles: HostFiles, reader: TreeReader, work: Buffer, held: HeldDirectory) {
  const { device, inode } = reader.lstat(joinPath(held.path, '.'))
  const lock = await hostFiles.lock(`umlcow new tree ${device}:${inode}`)
  // The run that had the lock may just have ended and removed the directory.
  if (lock !== null && reader.lstatOrNull(work)?.inode === inode) return lock
  await lock?.release()
  throw new UmlcowError('IN_USE', `${printablePath(work)}: another umlcow is at work on it`)
}

/** Put the name of the work directory into an error: users cannot know the number of a descriptor. */
export function withPlaceOfWork(error: unknown, { path }: HeldDirectory, work: Buffer): unknown {
  const start = printablePath(path)
  if (!(error instanceof UmlcowError) || !error.message.startsWith(`${start}/`)) return error
  const { code, details, hint, message } = error
  return new UmlcowError(code, `${printablePath(work)}${message.slice(start.length)}`, { details, hint, cause: error })
}

/** Empty the work directory. @returns whether it held anything */
export function emptyWork(host: TreeHost, held: HeldDirectory): boolean {
  const found = namesInWork
    .map((name) => joinPath(held.path, name))
    .filter((path) => host.reader.lstatOrNull(path) !== null)
  for (const path of found) removeNewTree(host, path)
  return found.length > 0
}

/** Remove the empty work directory. */
export function removeWork(writer: TreeWriter, work: Buffer): void {
  try {
    writer.removeDirectory(work)
  } catch (error) {
    // Another process moved or filled it. Nothing in it is umlcow's.
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error
  }
}
