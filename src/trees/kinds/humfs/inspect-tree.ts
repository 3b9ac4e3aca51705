import { hasCode, UmlcowError } from '../../../errors.js'
import { longestMetadataFile, type ParsedMetadata, parseMetadata } from '../../../formats/humfs/metadata.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import type { TreeReader } from '../../host/tree-reader.js'
import type { OnWalkError } from '../../walk/walk-levels.js'
import { type TreeItem, walkTree } from '../../walk/walk-tree.js'
import type { KnownEntries } from './known-entries.js'
import { entryPath, type HumfsPaths } from './paths.js'

/** A name of data with its entry. */
export interface Inspected {
  readonly item: TreeItem
  /** The path of its entry, even if it has none. */
  readonly entryPath: Buffer
  /** Facts of the file at that path; null when there is none, or when `known` has the entry. */
  readonly entryFacts: TreeFacts | null
  readonly entry: ParsedMetadata | null
  /** Why the entry cannot be read. */
  readonly failure: UmlcowError | null
}

/**
 * Read every name of data with its entry. A directory comes again after its content.
 *
 * @param known  entries of an earlier walk, which are not read again
 */
export function* inspectTree(
  reader: TreeReader,
  paths: HumfsPaths,
  onError?: OnWalkError,
  known?: KnownEntries,
): Generator<Inspected> {
  let count = 0
  /** Indexes of the directories that the walk has entered and not left. */
  const open: number[] = []
  for (const item of walkTree(reader, paths.data, onError)) {
    const isDirectory = item.facts.type === 'directory'
    const index = item.isLeaving ? open.pop()! : count++
    const place = entryPath(paths, item.path, isDirectory)
    const entry = known?.at(index, item.facts) ?? null
    const read = entry === null ? readEntry(reader, place) : { entry, entryFacts: null, failure: null }
    yield { item, entryPath: place, entryFacts: read.entryFacts, entry: read.entry, failure: read.failure }
    if (isDirectory && !item.isLeaving && item.descend) open.push(index)
  }
}

/** Read the entry at a path. */
export function readEntry(reader: TreeReader, place: Buffer): Pick<Inspected, 'entryFacts' | 'entry' | 'failure'> {
  let entryFacts: TreeFacts | null = null
  try {
    entryFacts = reader.lstatOrNull(place)
    if (entryFacts === null) return { entryFacts, entry: null, failure: null }
    if (entryFacts.type !== 'file') throw new UmlcowError('HUMFS_ENTRY', `is a ${entryFacts.type}, not a file`)
    const entry = parseMetadata(reader.readStart(place, Math.min(entryFacts.size, longestMetadataFile + 1)))
    return { entryFacts, entry, failure: null }
  } catch (error) {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED')) throw error
    return { entryFacts, entry: null, failure: error }
  }
}
