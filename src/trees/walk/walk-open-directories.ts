import { hasCode, UmlcowError } from '../../errors.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { OpenDirectory } from '../host/open-directory.js'
import type { TimedFacts } from '../host/tree-facts.js'
import type { TreeReader } from '../host/tree-reader.js'
import { inTree } from '../tree-path.js'
import { look, type OnWalkError, walkLevels } from './walk-levels.js'

/** A name that the walk found. */
export interface FoundName {
  /** Relative to the top; empty is the top itself. */
  readonly path: Buffer
  readonly facts: TimedFacts
  /** The open directory that holds the name. For a directory, the directory itself. */
  readonly place: OpenDirectory
  /** The name in `place`: `.` for a directory. */
  readonly name: Buffer
}

export interface WalkOptions {
  readonly reader: TreeReader
  /** The top may be a link to a directory. */
  readonly followTop?: boolean | undefined
  /** Names that do not belong to the tree. */
  readonly skips?: ((directory: Buffer, name: Buffer) => boolean) | undefined
  /** Receives errors, and the walk goes on. Without it the first error ends the walk. */
  readonly onError?: OnWalkError | undefined
}

const self = Buffer.from('.')
const nothing = Buffer.alloc(0)

/** Report a change of the input. @throws UmlcowError INPUT_CHANGED, always */
export function changed(what: string): never {
  throw new UmlcowError('INPUT_CHANGED', `changed while it was read: ${what}`)
}

/** A directory that the walk has listed. */
interface Entered {
  readonly path: Buffer
  readonly facts: TimedFacts
}

/**
 * List a tree, a directory before its content. The walk follows no links, not even one that replaces a directory
 * meanwhile.
 *
 * @throws UmlcowError INPUT_CHANGED
 */
export function walkOpen(top: Buffer, { reader, followTop, skips, onError }: WalkOptions): Generator<FoundName> {
  const first = followTop ? joinPath(top, self) : top
  return walkLevels<Entered, FoundName>({
    *enter(above, name, pending) {
      const path = above === null ? nothing : joinPath(above.path, name)
      const place = look(path, onError, () => openBelow(reader, above, above === null ? first : inTree(top, path)))
      if (place === null) return null
      try {
        const directory: Entered = { path, facts: place.facts() }
        yield { path, facts: directory.facts, place, name: self }
        yield* list(place, directory, pending)
        look(path, onError, () => refuseChanged(place, directory))
        return directory
      } finally {
        place.close()
      }
    },
  })

  /** List a directory. Its directories wait until it is closed. */
  function* list(place: OpenDirectory, directory: Entered, pending: string[]): Generator<FoundName> {
    const names = place.names()[Symbol.iterator]()
    const next = () => look(directory.path, onError, () => names.next())
    try {
      for (let found = next(); found && !found.done; found = next()) {
        const name = found.value
        if (skips?.(directory.path, name)) continue
        const path = joinPath(directory.path, name)
        const facts = look(path, onError, () => place.lstatOrNull(name) ?? changed('it is gone'))
        if (facts?.type === 'directory') pending.push(name.toString('latin1'))
        else if (facts !== null) yield { path, facts, place, name }
      }
    } finally {
      names.return?.()
    }
  }
}

/** Open a directory by its path. Its `..` proves that it is in the directory that the walk has listed. */
function openBelow(reader: TreeReader, above: Entered | null, path: Buffer): OpenDirectory {
  const place = openUnchanged(reader, above, path)
  try {
    if (above !== null && !isSameInode(place.factsAbove(), above.facts)) changed('it was moved')
  } catch (error) {
    place.close()
    throw error
  }
  return place
}

function openUnchanged(reader: TreeReader, above: Entered | null, path: Buffer): OpenDirectory {
  try {
    return reader.openDirectory(path)
  } catch (error) {
    if (above !== null && hasCode(error, 'ELOOP', 'ENOTDIR', 'ENOENT')) changed('it is no longer a directory')
    throw error
  }
}

function refuseChanged(place: OpenDirectory, { facts }: Entered): void {
  if (place.facts().mtimeNs !== facts.mtimeNs) changed('names in it')
}

/** Whether two facts are of the same file. */
export function isSameInode(a: Pick<TimedFacts, 'device' | 'inode'>, b: Pick<TimedFacts, 'device' | 'inode'>): boolean {
  return a.device === b.device && a.inode === b.inode
}
