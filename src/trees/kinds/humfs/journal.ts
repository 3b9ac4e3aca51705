import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { isCanonicalPath } from '../../../formats/manifest/path.js'
import type { Owner } from '../../host/tree-facts.js'
import type { TreeReader } from '../../host/tree-reader.js'
import { type HumfsPaths, journalName } from './paths.js'

// The journal of a humfsify, its reverse or a repair: lines of JSON, each written and synced before the step it names.
//   {"umlcow":"humfs journal 1","verb":"humfsify",...}   the shadow trees are being built; nothing else is changed
//   {"path":"...","mode":2541}    a mode that the metadata loses with --perl-compat; the path in base64
//   {"phase":"changing"}      the shadow trees are whole: now the next run finishes it, or the reverse undoes it
//   {"umlcow":"humfs journal 1","verb":"restore"}        data gets its owners and modes; the metadata stays
//   {"phase":"removing"}      data is restored: the metadata goes. The reverse of an unfinished humfsify writes it too
//   {"phase":"sweeping"}      the metadata has moved to the work directory, and is removed there
//   {"umlcow":"humfs journal 1","verb":"rename","from":"...","to":"..."}   a directory's metadata moves; paths in base64
// The shadow trees record the former state of every name of data/, so the journal has no lines for the names.

/** The arguments of a humfsify, as its journal records them. */
export interface HumfsifyTerms {
  readonly owner: Owner
  readonly total: number
  readonly used: number
  readonly perlCompat: boolean
  readonly renameMetadata: string | null
  /** Names of existing metadata in the directory, which the run moves aside. */
  readonly aside: readonly string[]
}

/** A directory that a guest renamed, and whose metadata must follow. Both paths are relative to data. */
export interface DirectoryRename {
  readonly from: Buffer
  readonly to: Buffer
}

export type HumfsPhase = 'building' | 'changing' | 'restoring' | 'removing' | 'sweeping' | 'renaming'

export interface HumfsJournal {
  readonly phase: HumfsPhase
  /** The terms of a humfsify; null for the others. */
  readonly terms: HumfsifyTerms | null
  /** The rename of a repair; null for the others. */
  readonly rename: DirectoryRename | null
  /** Modes that the metadata loses, by path as latin1. */
  readonly modes: ReadonlyMap<string, number>
}

const magic = 'humfs journal 1'
/** Half a million modes of usual paths. */
const longestJournal = 64 * 1024 * 1024
/** Bytes of the journal that the modes may take. */
export const longestModes = longestJournal - 1024 * 1024

/** Write the first line of a journal. */
export function journalStart(what: ({ verb: 'humfsify' } & HumfsifyTerms) | { verb: 'restore' }): Buffer {
  return Buffer.from(`${JSON.stringify({ umlcow: magic, ...what })}\n`)
}

export function journalRename({ from, to }: DirectoryRename): Buffer {
  const paths = { from: from.toString('base64'), to: to.toString('base64') }
  return Buffer.from(`${JSON.stringify({ umlcow: magic, verb: 'rename', ...paths })}\n`)
}

export function journalPhase(phase: HumfsPhase): Buffer {
  // The line before may have been cut short, so this one starts on a new line.
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

/** Parse a journal. It ignores a line that was cut short. @returns null when it is not a journal of umlcow */
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

/** Read the paths of a rename. @returns null if one leads out of the tree: other users may have written the journal */
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
 * Read the journal of a directory.
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

/** Refuse a tree with an unfinished repair. @throws UmlcowError HUMFS_UNFINISHED */
export function refuseRename(paths: HumfsPaths, journal: HumfsJournal | null): void {
  if (journal === null || journal.rename === null) return
  throw unfinished(paths, 'a repair was cut short', 'run "umlcow humfs check --repair" to repeat it')
}

/** Make the error for a tree that another command must finish first. */
export function unfinished(paths: HumfsPaths, message: string, hint: string): UmlcowError {
  return new UmlcowError('HUMFS_UNFINISHED', `${printablePath(paths.directory)}: ${message} (see ${journalName})`, {
    hint,
  })
}
