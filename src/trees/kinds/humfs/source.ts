import { UmlcowError } from '../../../errors.js'
import type { MetadataNode, ParsedMetadata } from '../../../formats/humfs/metadata.js'
import { type DeviceNumber, type EntryType, isDevice } from '../../../formats/manifest/index.js'
import { checkedOptions, textPath } from '../../../machine/option-rules.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import { openSource, readSource } from '../../source/open-source.js'
import type { NameFacts, SourceItem, TreeReading, TreeSource } from '../../source/tree-source.js'
import { type TreeOptions, treeRules } from '../../tree-options.js'
import { inTree } from '../../tree-path.js'
import type { FoundName } from '../../walk/walk-open-directories.js'
import { typeOfLetter } from './entry.js'
import { EntryReader } from './entry-reader.js'
import { readEntry } from './inspect-tree.js'
import { readHumfsJournal, refuseRename, unfinished } from './journal.js'
import { createKnownEntries, type KnownEntries } from './known-entries.js'
import { entryPath } from './paths.js'
import { readSuperblock, refuseWithoutTrees } from './read-superblock.js'
import { openWorkspace, type Workspace } from './workspace.js'

/**
 * Open a humfs tree as a guest sees it. Owners, modes, types and devices come from the metadata. Content, link targets,
 * times and hard links come from data.
 *
 * @throws UmlcowError NOT_HUMFS, HUMFS_SUPERBLOCK, HUMFS_VERSION, HUMFS_UNFINISHED; from its survey and its items:
 *         HUMFS_DAMAGED with every problem
 */
export function openHumfsSource(directory: string | URL, given: TreeOptions = {}): TreeSource {
  const options = checkedOptions(given, treeRules)
  const work = openWorkspace(textPath('directory', directory), options)
  const { paths } = work
  refuseUnfinished(work)
  const { warnings } = readSuperblock(work)
  let known = createKnownEntries()
  const reading: TreeReading = {
    top: paths.data,
    followTop: false,
    shown: 'data',
    damageCode: 'HUMFS_DAMAGED',
    describe: (found) => describe(found, entryAt(work, found)),
    describeFirst: () => {
      known = createKnownEntries()
      return notingEntries(work, known)
    },
    describeAgain: () => knowingEntries(work, known),
    refuseUnfit: () => {
      refuseUnfinished(work)
      refuseWithoutTrees(work)
    },
  }
  const parts = [paths.data, paths.superblock, paths.fileMetadata, paths.dirMetadata]
  return openSource(reading, options, { parts, warnings })
}

/** Read the manifest of a humfs tree. It looks at the whole tree before the first item comes. */
export async function* readHumfsTree(directory: string | URL, options: TreeOptions = {}): AsyncGenerator<SourceItem> {
  yield* readSource(openHumfsSource(directory, options))
}

function refuseUnfinished({ reader, paths }: Workspace): void {
  const journal = readHumfsJournal(reader, paths)
  if (journal === null) return
  refuseRename(paths, journal)
  throw unfinished(paths, 'a humfsify or its reverse was cut short', 'run it again, or run "umlcow humfsify -r"')
}

function damaged(message: string, cause?: unknown): UmlcowError {
  return new UmlcowError('HUMFS_DAMAGED', message, { cause })
}

/** Make a `describe` that notes the entries. */
function notingEntries(work: Workspace, known: KnownEntries): (found: FoundName) => NameFacts {
  const entries = new EntryReader(work.reader, work.paths)
  return (found) => {
    const isDirectory = found.facts.type === 'directory'
    let entry: ParsedMetadata | null = null
    try {
      entry = isDirectory ? entryAt(work, found) : refuseDamaged(entries.read(found.path, found.name))
    } finally {
      known.add(found.facts, entry)
      if (isDirectory) entries.enter(found.path)
    }
    return describe(found, entry)
  }
}

/** Make a `describe` that reads only the entries that are not known. */
function knowingEntries(work: Workspace, known: KnownEntries): (found: FoundName) => NameFacts {
  let count = 0
  return (found) => describe(found, known.at(count++, found.facts) ?? entryAt(work, found))
}

function entryAt(work: Workspace, { path, facts }: FoundName): ParsedMetadata {
  const isDirectory = facts.type === 'directory'
  if (isDirectory) refuseLinked(work, path)
  return refuseDamaged(readEntry(work.reader, entryPath(work.paths, path, isDirectory)))
}

function refuseDamaged({ entry, failure }: ReturnType<typeof readEntry>): ParsedMetadata {
  if (failure !== null) throw damaged(`its metadata cannot be read: ${failure.message}`, failure)
  if (entry === null) throw damaged('has no metadata')
  return entry
}

function describe({ facts, place, name }: FoundName, { mode, uid, gid, node }: ParsedMetadata): NameFacts {
  const type = typeOf(facts, node)
  const linkTarget = type === 'symlink' ? place.readLink(name) : null
  return { type, mode, uid, gid, device: deviceOf(type, node), linkTarget, size: type === 'file' ? facts.size : 0 }
}

/** Refuse a link in place of a directory of metadata: it leads to the metadata of another tree. */
function refuseLinked({ reader, paths }: Workspace, path: Buffer): void {
  for (const tree of [paths.fileMetadata, paths.dirMetadata]) {
    const type = reader.lstatOrNull(inTree(tree, path))?.type ?? 'directory'
    if (type !== 'directory') throw damaged(`has a ${type} in the place of a directory of metadata`)
  }
}

function typeOf(facts: TreeFacts, node: MetadataNode | null): EntryType {
  if (node === null) {
    if (isDevice(facts.type)) throw damaged('is a device node, but its metadata has no device')
    return facts.type
  }
  const type = typeOfLetter[node.letter]
  if (facts.type === type) return type
  if (facts.type !== 'file') throw damaged(`is a ${facts.type}, but a ${type} by its metadata`)
  if (facts.size > 0) throw damaged(`is a ${type} by its metadata, but not empty`)
  return type
}

function deviceOf(type: EntryType, node: MetadataNode | null): DeviceNumber | null {
  return node !== null && isDevice(type) ? { major: node.major, minor: node.minor } : null
}
