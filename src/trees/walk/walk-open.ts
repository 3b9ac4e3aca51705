import { hasCode, UmlcowError } from '../../errors.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { TimedFacts } from '../host/tree-facts.js'
import type { OpenDirectory, TreeReader } from '../host/tree-reader.js'
import { inTree } from '../tree-path.js'

/** A name of a tree that is being read. */
export interface FoundName {
  /** Relative to the top; empty is the top itself. */
  readonly path: Buffer
  readonly facts: TimedFacts
  /** The open directory that it is in; of a directory itself. */
  readonly place: OpenDirectory
  /** What it is called there: `.` for a directory. */
  readonly name: Buffer
}

export interface WalkOptions {
  readonly reader: TreeReader
  /** The top may be a link to a directory. */
  readonly followTop?: boolean | undefined
  /** Names that do not belong to the tree. */
  readonly skips?: ((directory: Buffer, name: Buffer) => boolean) | undefined
  /** Gets what cannot be looked at, and the walk goes on; without it the walk ends. */
  readonly onError?: ((path: Buffer, error: unknown) => void) | undefined
}

interface Level {
  readonly path: Buffer
  readonly facts: TimedFacts
  /** Directories in it that have not been entered, as latin1. */
  readonly pending: string[]
}

const self = Buffer.from('.')
const nothing = Buffer.alloc(0)

/** @throws UmlcowError INPUT_CHANGED, always */
export function changed(what: string): never {
  throw new UmlcowError('INPUT_CHANGED', `changed while it was read: ${what}`)
}

/**
 * Everything in a tree, a directory before what it holds. Links are not followed, not even those that somebody puts in the
 * place of a directory meanwhile. One directory is open at a time, and what the tree holds is never in memory.
 *
 * @throws UmlcowError INPUT_CHANGED
 */
export function* walkOpen(top: Buffer, { reader, followTop, skips, onError }: WalkOptions): Generator<FoundName> {
  const levels: Level[] = []
  const first = followTop ? joinPath(top, self) : top
  yield* enter(null, nothing)
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.pending.pop()
    if (next === undefined) levels.pop()
    else yield* enter(level, joinPath(level.path, Buffer.from(next, 'latin1')))
  }

  function guarded<T>(path: Buffer, run: () => T): T | null {
    try {
      return run()
    } catch (error) {
      if (onError === undefined) throw error
      onError(path, error)
      return null
    }
  }

  function* enter(parent: Level | null, path: Buffer): Generator<FoundName> {
    const place = guarded(path, () => openBelow(reader, parent, parent === null ? first : inTree(top, path)))
    if (place === null) return
    try {
      const level: Level = { path, facts: place.facts(), pending: [] }
      yield { path, facts: level.facts, place, name: self }
      levels.push(level)
      yield* list(place, level)
      guarded(path, () => refuseChanged(place, level))
    } finally {
      place.close()
    }
  }

  /** All but the directories, which wait until this one is closed. */
  function* list(place: OpenDirectory, level: Level): Generator<FoundName> {
    const names = place.names()[Symbol.iterator]()
    try {
      for (
        let next = guarded(level.path, () => names.next());
        next && !next.done;
        next = guarded(level.path, () => names.next())
      ) {
        const name = next.value
        if (skips?.(level.path, name)) continue
        const path = joinPath(level.path, name)
        const facts = guarded(path, () => place.lstatOrNull(name) ?? changed('it is gone'))
        if (facts?.type === 'directory') level.pending.push(name.toString('latin1'))
        else if (facts !== null) yield { path, facts, place, name }
      }
    } finally {
      names.return?.()
    }
  }
}

/** The path leads to it by names: that it is what the directory above has is seen by what is above it. */
function openBelow(reader: TreeReader, parent: Level | null, path: Buffer): OpenDirectory {
  const place = openUnchanged(reader, parent, path)
  try {
    const above = parent === null ? null : place.factsAbove()
    if (above !== null && !isSameInode(above, parent!.facts)) changed('it was moved')
  } catch (error) {
    place.close()
    throw error
  }
  return place
}

function openUnchanged(reader: TreeReader, parent: Level | null, path: Buffer): OpenDirectory {
  try {
    return reader.openDirectory(path)
  } catch (error) {
    if (parent !== null && hasCode(error, 'ELOOP', 'ENOTDIR', 'ENOENT')) changed('it is no directory any more')
    throw error
  }
}

function refuseChanged(place: OpenDirectory, { facts }: Level): void {
  if (place.facts().mtimeNs !== facts.mtimeNs) changed('names in it')
}

/** The same file. */
export function isSameInode(a: Pick<TimedFacts, 'device' | 'inode'>, b: Pick<TimedFacts, 'device' | 'inode'>): boolean {
  return a.device === b.device && a.inode === b.inode
}
