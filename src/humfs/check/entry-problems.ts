import { longestEntry } from '../../formats/humfs/metadata.js'
import { dataMode } from '../../trees/kinds/humfs/entry.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import { foreignOwner } from '../../trees/kinds/humfs/shadow-entry.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { checkLinks, type LinkedNames } from './linked-names.js'
import { dataName, type Found, type FoundProblem } from './tree-findings.js'

/** What is wrong with a name of data and its entry. */
export function entryProblems(work: Workspace, one: Inspected, linked: LinkedNames): FoundProblem[] {
  const { item, entry, failure } = one
  const problems: FoundProblem[] = []
  const found: Found = (code, message, repair = null) => {
    problems.push({ code, path: dataName(item.path), message, repair })
  }
  if (failure !== null) found('bad-entry', `its metadata is not well-formed: ${failure.message}`)
  else if (entry === null) checkMissing(work, one, found)
  else {
    if (entry.isTooLong) found('entry-too-long', `its metadata is cut by the kernel after ${longestEntry} bytes`)
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
    found('guest-renamed-directory', 'was renamed by a guest, whose kernel put its metadata in the wrong place')
    return
  }
  found('no-entry', 'has no metadata: a guest sees the name and no file')
}

function checkNode({ item, entry }: Inspected, found: Found): void {
  const { facts } = item
  if (facts.type === 'character' || facts.type === 'block') {
    found('real-node', 'is a device node, which a guest would open on the host; an empty file is expected')
    return
  }
  if (facts.type === 'socket') found('real-node', 'is a socket, which no kernel can look up; an empty file is expected')
  const letter = entry?.node?.letter
  if (letter === undefined || facts.type !== 'file') return
  if (facts.size > 0) found('node-with-content', `is a node (${letter}) by its metadata, and has ${facts.size} bytes`)
  else if (letter === 'p') found('fifo-as-file', 'is a FIFO by its metadata; a guest sees a plain file')
}

/**
 * The guest's modes come out of the metadata: what the host's lack or have too much is known. Where the metadata does not
 * have the bits, the host's mode is all that tells of them.
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
    // Where a link leads to nothing is looked for, still less mended.
    item.descend = false
    found('no-mirror-directory', 'has something else than a directory for its metadata')
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
