import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { isCanonicalPath } from '../../../formats/manifest/path.js'
import type { Owner } from '../../host/tree-facts.js'
import type { TreeReader } from '../../host/tree-reader.js'
import { type HumfsPaths, journalName } from './paths.js'

// The journal of a humfsify, its reverse or a repair: lines of JSON, each written and synced before what it tells of.
//   {"umlcow":"humfs journal 1","verb":"humfsify",...}   the shadow trees are being built; nothing else is changed
//   {"path":"...","mode":2541}    a mode that the metadata does not hold, with --perl-compat; the path in base64
//   {"phase":"changing"}      the shadow trees are whole: from here on the run is finished, or undone by the reverse
//   {"umlcow":"humfs journal 1","verb":"restore"}        data gets its owners and modes; the metadata stays
//   {"phase":"removing"}      data is as it was: the metadata goes. The reverse of an unfinished humfsify has it, too
//   {"phase":"sweeping"}      the metadata is out of the way, and what is left of it is removed
//   {"umlcow":"humfs journal 1","verb":"rename","from":"...","to":"..."}   a directory's metadata moves; paths in base64
// What every name of data/ was like stands in the shadow trees: they are the journal's lines for the entries.

export interface HumfsifyTerms {
  readonly owner: Owner
  readonly total: number
  readonly used: number
  readonly perlCompat: boolean
  readonly renameMetadata: string | null
  /** What was there before and is to be moved out of the way: names in the directory. */
  readonly aside: readonly string[]
}

/** A directory whose metadata moves to where a guest has renamed it to. Both paths are relative to data. */
export interface DirectoryRename {
  readonly from: Buffer
  readonly to: Buffer
}

export type HumfsPhase = 'building' | 'changing' | 'restoring' | 'removing' | 'sweeping' | 'renaming'

export interface HumfsJournal {
  readonly phase: HumfsPhase
  /** Of a humfsify; null for all else. */
  readonly terms: HumfsifyTerms | null
  /** Of a repair; null for all else. */
  readonly rename: DirectoryRename | null
  /** Modes that the metadata does not hold, by path as latin1. */
  readonly modes: ReadonlyMap<string, number>
}

const magic = 'humfs journal 1'
/** Half a million modes of usual paths. */
const longestJournal = 64 * 1024 * 1024
/** What the modes may take of it. */
export const longestModes = longestJournal - 1024 * 1024

/** The first line of a journal. */
export function journalStart(what: ({ verb: 'humfsify' } & HumfsifyTerms) | { verb: 'restore' }): Buffer {
  return Buffer.from(`${JSON.stringify({ umlcow: magic, ...what })}\n`)
}

export function journalRename({ from, to }: DirectoryRename): Buffer {
  const paths = { from: from.toString('base64'), to: to.toString('base64') }
  return Buffer.from(`${JSON.stringify({ umlcow: magic, verb: 'rename', ...paths })}\n`)
}

export function journalPhase(phase: HumfsPhase): Buffer {
  // A line before it may have been cut short: it must not become a part of that one.
  return Buffer.from(`\n${JSON.stringify({ phase })}\n`)
}

export function journalMode(path: Buffer, mode: number): Buffer {
  return Buffer.from(`${JSON.stringify({ path: path.toString('base64'), mode })}\n`)
}

/** The phases that each kind of run goes through. */
const phases: Readonly<Record<string, readonly HumfsPhase[]>> = {
  humfsify: ['building', 'changing', 'removing', 'sweeping'],
  restore: ['restoring', 'removing', 'sweeping'],
  rename: ['renaming'],
}

function parseLine(line: string): { [key: string]: unknown } | null {
  try {
    return JSON.parse(line)
  } catch {
    return null // Cut short.
  }
}

/** Read a journal; a line that was cut short does not count. @returns null when it is none of ours */
export function parseHumfsJournal(bytes: Uint8Array): HumfsJournal | null {
  const lines = Buffer.from(bytes).toString('utf8').split('\n').slice(0, -1)
  const [start, ...rest] = lines.map(parseLine)
  const modes = new Map<string, number>()
  const later = rest.filter((line) => {
    if (line === null) return false
    if (typeof line.path !== 'string' || !Number.isInteger(line.mode)) return true
    modes.set(Buffer.from(line.path, 'base64').toString('latin1'), Number(line.mode) & 0o7777)
    return false
  })
  if (start?.umlcow !== magic || !Object.hasOwn(phases, `${start.verb}`)) return null
  const [first, ...next] = phases[`${start.verb}`]!
  if (later.some((line, i) => next[i] === undefined || line?.phase !== next[i])) return null
  const phase = later.length === 0 ? first! : next[later.length - 1]!
  if (start.verb === 'restore') return { phase, terms: null, rename: null, modes }
  if (start.verb === 'rename') {
    const rename = renameOf(start)
    return rename === null ? null : { phase, terms: null, rename, modes }
  }
  if (!areTerms(start)) return null
  const { owner, total, used, perlCompat, renameMetadata, aside } = start
  return { phase, terms: { owner, total, used, perlCompat, renameMetadata, aside }, rename: null, modes }
}

/** Null when a path leads out of the tree: the journal lies where others may write. */
function renameOf(start: Record<string, unknown>): DirectoryRename | null {
  const [from, to] = [start.from, start.to].map((text) => {
    const path = typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0)
    return path.length > 0 && isCanonicalPath(path) ? path : null
  })
  return from && to ? { from, to } : null
}

function areTerms(start: Record<string, unknown>): start is { [key: string]: unknown } & HumfsifyTerms {
  const { owner, total, used, perlCompat, renameMetadata, aside } = start as { owner?: Partial<Owner> } & typeof start
  const numbers = [owner?.uid, owner?.gid, total, used]
  return (
    numbers.every((value) => Number.isSafeInteger(value) && (value as number) >= 0) &&
    typeof perlCompat === 'boolean' &&
    (renameMetadata === null || typeof renameMetadata === 'string') &&
    Array.isArray(aside) &&
    aside.every((name) => ['superblock', 'file_metadata', 'dir_metadata'].includes(name))
  )
}

/**
 * The journal of a directory.
 *
 * @returns null when there is none
 * @throws  UmlcowError JOURNAL_DAMAGED
 */
export function readHumfsJournal(reader: TreeReader, { journal }: HumfsPaths): HumfsJournal | null {
  const facts = reader.lstatOrNull(journal)
  if (facts === null) return null
  const parsed =
    facts.type === 'file' && facts.size <= longestJournal
      ? parseHumfsJournal(reader.readStart(journal, facts.size))
      : null
  if (parsed !== null) return parsed
  throw new UmlcowError('JOURNAL_DAMAGED', `${printablePath(journal)}: is not a journal that this release can read`)
}

/** @throws UmlcowError HUMFS_UNFINISHED when a repair has to be done anew first */
export function refuseRename(paths: HumfsPaths, journal: HumfsJournal | null): void {
  if (journal === null || journal.rename === null) return
  throw unfinished(paths, 'a repair was cut short', 'umlcow humfs check --repair does it anew')
}

/** A tree that somebody else has to finish. */
export function unfinished(paths: HumfsPaths, message: string, hint: string): UmlcowError {
  return new UmlcowError('HUMFS_UNFINISHED', `${printablePath(paths.directory)}: ${message} (see ${journalName})`, {
    hint,
  })
}
