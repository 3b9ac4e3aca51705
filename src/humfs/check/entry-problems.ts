import { longestEntry } from '../../formats/humfs/metadata.js'
import { dataMode } from '../../trees/kinds/humfs/entry.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import { foreignOwner } from '../../trees/kinds/humfs/shadow-entry.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { checkLinks, type LinkedNames } from './linked-names.js'
import { dataName, type Found, type FoundProblem } from './tree-findings.js'

/** Find what is wrong with a name of data and its entry. */
export function entryProblems(work: Workspace, one: Inspected, linked: LinkedNames): FoundProblem[] {
  const { item, entry, failure } = one
  const problems: FoundProblem[] = []
  const found: Found = (code, message, repair = null) => {
    problems.push({ code, path: dataName(item.path), message, repair })
  }
  if (failure !== null) found('bad-entry', `its metadata is not well-formed: ${failure.message}`)
  else if (entry === null) checkMissing(work, one, found)
  else {
    if (entry.isTooLong) found('entry-too-long', `the kernel cuts its metadata after ${longestEntry} bytes`)
    checkNode(one, found)
    checkLinks(work, one, linked, found)
  }
  checkData(work, one, found)
  const isRenamed = problems.some(({ code }) => code === 'guest-renamed-directory')
  if (item.facts.type === 'directory' && !isRenamed) checkMirror(work, one, found)
  return problems
}

function checkMissing(work: Workspace, { item }: Inspected, found: Found): void {
  const inFiles = work.reader.lstatOrNull(inTree(work.paths.fileMetadata, item.path))
  if (item.facts.type === 'directory' && inFiles?.type === 'file') {
    found('guest-renamed-directory', 'a guest renamed it, and the guest kernel put its metadata in the wrong place')
    return
  }
  found('no-entry', 'has no metadata: a guest sees the name and no file')
}

function checkNode({ item, entry }: Inspected, found: Found): void {
  const { facts } = item
  if (facts.type === 'character' || facts.type === 'block') {
    found('real-node', 'is a device node, which a guest would open on the host: expected an empty file')
    return
  }
  if (facts.type === 'socket') found('real-node', 'is a socket, which no kernel can look up: expected an empty file')
  const letter = entry?.node?.letter
  if (letter === undefined || facts.type !== 'file') return
  if (facts.size > 0) found('node-with-content', `is a node (${letter}) by its metadata, but has ${facts.size} bytes`)
  else if (letter === 'p') found('fifo-as-file', 'is a FIFO by its metadata; a guest sees a plain file')
}

/**
 * Check the mode of the host's file. The guest's mode comes from the metadata, so a wrong mode on the host can be set
 * again. There is no repair when the metadata lacks the host's bits above 0777: nothing else records them.
 */
function checkData({ writer, paths }: Workspace, { item, entry }: Inspected, found: Found): void {
  const { facts, path } = item
  if (facts.type === 'symlink') return
  const wanted = dataMode(facts, false)
  const isRecorded = entry !== null && (facts.mode & 0o7000 & ~entry.mode) === 0
  const repair = isRecorded ? () => writer.setMode(inTree(paths.data, path), wanted) : null
  if ((wanted & ~facts.mode) !== 0) found('data-not-writable', 'its owner may not read and write it', repair)
  else if ((facts.mode & 0o7000) !== 0) found('special-bits', 'has bits above 0777, which a guest sees', repair)
}

function checkMirror({ reader, writer, paths, facts }: Workspace, { item }: Inspected, found: Found): void {
  const mirror = inTree(paths.fileMetadata, item.path)
  const there = reader.lstatOrNull(mirror)
  const own = reader.lstatOrNull(inTree(paths.dirMetadata, item.path))
  if ([there, own].some((one) => one !== null && one.type !== 'directory')) {
    // A link would lead out of the tree: the check neither looks nor repairs there.
    item.descend = false
    found('no-mirror-directory', 'has no directory for its metadata, but something else in that place')
    return
  }
  if (there !== null) return
  const repair = () => {
    writer.makeDirectory(mirror, 0o755)
    const owner = foreignOwner(reader.lstatOrNull(paths.fileMetadata) ?? facts, reader.user())
    if (owner !== null) writer.setOwner(mirror, owner)
  }
  found('no-mirror-directory', 'has no directory in file_metadata', repair)
}
