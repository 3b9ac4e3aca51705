import { hasCode, UmlcowError } from '../errors.js'
import { longestMetadataFile, type ParsedMetadata, parseMetadata } from '../formats/humfs/metadata.js'
import type { TreeFacts, TreeFiles } from '../host/tree-files.js'
import { entryPath, type HumfsPaths } from './humfs-paths.js'
import { type OnWalkError, type TreeItem, walkTree } from './walk-tree.js'

/** A name of data with what the metadata has for it. */
export interface Inspected {
  readonly item: TreeItem
  /** Where its entry is, or should be. */
  readonly entryPath: Buffer
  /** Of that place; null when nothing is there. */
  readonly entryFacts: TreeFacts | null
  readonly entry: ParsedMetadata | null
  /** Why there is something and it cannot be read. */
  readonly failure: UmlcowError | null
}

/** Every name of data with its entry; directories come again when all that is in them has been. */
export function* inspectTree(files: TreeFiles, paths: HumfsPaths, onError?: OnWalkError): Generator<Inspected> {
  for (const item of walkTree(files, paths.data, onError)) {
    const place = entryPath(paths, item.path, item.facts.type === 'directory')
    yield { item, entryPath: place, ...readEntry(files, place) }
  }
}

/** The entry at a place. */
export function readEntry(files: TreeFiles, place: Buffer): Pick<Inspected, 'entryFacts' | 'entry' | 'failure'> {
  let entryFacts: TreeFacts | null = null
  try {
    entryFacts = files.lstatOrNull(place)
    if (entryFacts === null) return { entryFacts, entry: null, failure: null }
    if (entryFacts.type !== 'file') throw new UmlcowError('HUMFS_ENTRY', `is a ${entryFacts.type}, not a file`)
    const entry = parseMetadata(files.readStart(place, longestMetadataFile + 1))
    return { entryFacts, entry, failure: null }
  } catch (error) {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED')) throw error
    return { entryFacts, entry: null, failure: error }
  }
}
