import { createHash } from 'node:crypto'
import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { type CowHeader, editHeader } from '../formats/cow/index.js'
import { readExact, writeExact } from '../stores/block-store.js'
import type { FileStore } from '../stores/file-store.js'
import type { FileFacts, HostFiles, HostPath } from './host-files.js'
import { inspectTarget, writeNewFile } from './new-file.js'
import { pathBytes } from './path-bytes.js'
import type { ProcessIdentity } from './process-identity.js'

// The journal of an in-place merge lies beside the overlay, the marker beside the backing file. The journal is made
// first and removed last, so that a marker is never without one.

/** A file as the journal knows it again: device numbers can change with a restart, the rest does not. */
export interface PinnedFile {
  readonly path: Buffer
  readonly device: bigint
  readonly inode: bigint
}

/** An overlay as the journal knows it again. */
export interface PinnedOverlay extends PinnedFile {
  /** Of the header, without the mtime, which the merge is going to change. */
  readonly headerDigest: string
  /** The mtime in the header before the merge. */
  readonly mtime: number
}

/** What happens to the overlay after its sectors are in the backing file. */
export type Afterwards =
  /** It stays as it is, with the new mtime. */
  | 'keep'
  /** It stays byte for byte; the kernel then refuses it. */
  | 'leave'
  /** It is emptied. */
  | 'reset'
  /** It is removed. */
  | 'delete'

const allAfterwards: readonly Afterwards[] = ['keep', 'leave', 'reset', 'delete']

export interface MergeJournal {
  readonly process: ProcessIdentity
  /** ISO 8601. */
  readonly started: string
  /** `preparing`: not a byte of the backing file's content has been changed; `abandoning`: the user gave up. */
  readonly phase: 'preparing' | 'writing' | 'abandoning'
  readonly overlay: PinnedOverlay
  readonly backing: PinnedFile & {
    readonly size: number
    readonly mtime: number
    readonly kind: 'file' | 'blockDevice'
  }
  /** Of the backing file: while it is written, and for good. */
  readonly mtimes: { readonly invalid: number; readonly final: number }
  /** Siblings that are kept: copied up, and refreshed at the end. */
  readonly siblings: readonly PinnedOverlay[]
  /** The undo overlay, one of the siblings' kind. */
  readonly backup: PinnedOverlay | null
  readonly afterwards: Afterwards
  readonly noSync: boolean
  readonly verify: boolean
  readonly allowShort: boolean
  /** The overlay's header leads to the backing file, so it gets the new mtime. */
  readonly leadsToBacking: boolean
}

/** Longest journal that is read, bytes: one of a hundred thousand siblings. */
const longestJournal = 64 * 1024 * 1024

const journalKind = 'umlcow in-place merge 1'
const markerKind = 'umlcow merging 1'

export async function journalPathOf(files: HostFiles, overlayPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await realPathOrSame(files, overlayPath), Buffer.from('.umlcow-journal')])
}

export async function markerPathOf(files: HostFiles, backingPath: HostPath): Promise<Buffer> {
  return Buffer.concat([await files.realPath(backingPath), Buffer.from('.umlcow-merging')])
}

/** An overlay that a merge with `--delete` has removed is still found by its name. */
async function realPathOrSame(files: HostFiles, path: HostPath): Promise<Buffer> {
  try {
    return await files.realPath(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return pathBytes(path)
    throw error
  }
}

export function headerDigest(header: CowHeader): string {
  return createHash('sha256')
    .update(editHeader(header, { mtime: 0 }))
    .digest('hex')
}

/** The same file, given that device numbers hold only until the machine is started again. */
export function isPinned(pin: PinnedFile, facts: FileFacts, sameBoot: boolean): boolean {
  return pin.inode === facts.inode && (!sameBoot || pin.device === facts.device)
}

/** Make the journal. @throws UmlcowError TARGET_EXISTS when there is one */
export async function createJournal(files: HostFiles, path: Buffer, journal: MergeJournal): Promise<void> {
  await write(files, path, serializeJournal(journal), journal.noSync, false)
}

/** Put another journal in the place of the one that is there. */
export async function replaceJournal(files: HostFiles, path: Buffer, journal: MergeJournal): Promise<void> {
  await write(files, path, serializeJournal(journal), journal.noSync, true)
}

/** Make the marker. @throws UmlcowError TARGET_EXISTS when there is one */
export async function createMarker(
  files: HostFiles,
  path: Buffer,
  overlayPath: Buffer,
  noSync: boolean,
): Promise<void> {
  const text = JSON.stringify({ kind: markerKind, overlay: pathJson(overlayPath) })
  await write(files, path, Buffer.from(`${text}\n`), noSync, false)
}

async function write(files: HostFiles, path: Buffer, bytes: Buffer, noSync: boolean, replace: boolean): Promise<void> {
  const target = replace ? await inspectTarget(files, path, true) : { path, existing: null }
  await writeNewFile(files, target, { permissions: 0o644, noSync }, (store) => writeExact(store, 0, bytes))
}

/** What lies at the place of a journal. @returns null when nothing does; `journal` is null when it cannot be read */
export async function readJournal(files: HostFiles, path: Buffer): Promise<{ journal: MergeJournal | null } | null> {
  const bytes = await readSmallFile(files, path)
  return bytes === null ? null : { journal: parseJournal(bytes) }
}

/** What lies at the place of a marker. @returns null when nothing does; `overlayPath` is null when it cannot be read */
export async function readMarker(files: HostFiles, path: Buffer): Promise<{ overlayPath: Buffer | null } | null> {
  const bytes = await readSmallFile(files, path)
  if (bytes === null) return null
  const value = parseJson(bytes)
  return { overlayPath: isRecord(value) && value.kind === markerKind ? parsePath(value.overlay) : null }
}

/** The bytes of a regular file; none when it is too long to be ours; null when there is no file. */
async function readSmallFile(files: HostFiles, path: Buffer): Promise<Buffer | null> {
  let store: FileStore
  try {
    const facts = await files.lstatOrNull(path)
    if (facts === null) return null
    if (facts.kind !== 'file' || facts.size > longestJournal) return Buffer.alloc(0)
    store = await files.open(path, 'read')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENAMETOOLONG')) return null
    throw error
  }
  try {
    const bytes = Buffer.alloc(Math.min(store.size, longestJournal))
    await readExact(store, 0, bytes)
    return bytes
  } finally {
    await store.close()
  }
}

// JSON: paths as text where they are text, else as { base64 }; device and inode as strings, for they have 64 bits.

function pathJson(path: Buffer): unknown {
  const text = path.toString('utf8')
  return Buffer.from(text).equals(path) ? text : { base64: path.toString('base64') }
}

function pinJson(pin: PinnedFile): Record<string, unknown> {
  return { ...pin, path: pathJson(pin.path), device: String(pin.device), inode: String(pin.inode) }
}

function serializeJournal(journal: MergeJournal): Buffer {
  const document = {
    kind: journalKind,
    ...journal,
    overlay: pinJson(journal.overlay),
    backing: pinJson(journal.backing),
    siblings: journal.siblings.map(pinJson),
    backup: journal.backup === null ? null : pinJson(journal.backup),
  }
  return Buffer.from(`${JSON.stringify(document, null, 1)}\n`)
}

type Json = Record<string, unknown>

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return null // No JSON: the caller says what it wanted.
  }
}

function parseJournal(bytes: Buffer): MergeJournal | null {
  const value = parseJson(bytes)
  if (!isRecord(value) || value.kind !== journalKind) return null
  const overlay = parseOverlayPin(value.overlay)
  const backing = parseBackingPin(value.backing)
  const process = parseProcess(value.process)
  const siblings = Array.isArray(value.siblings) ? value.siblings.map(parseOverlayPin) : [null]
  const backup = value.backup === null ? null : parseOverlayPin(value.backup)
  const mtimes = parseMtimes(value.mtimes)
  const { started, phase, noSync, verify, allowShort, leadsToBacking } = value
  const afterwards = allAfterwards.find((one) => one === value.afterwards)
  if (overlay === null || backing === null || process === null || mtimes === null) return null
  if (backup === null && value.backup !== null) return null
  if (!siblings.every((one) => one !== null) || typeof started !== 'string') return null
  if (phase !== 'preparing' && phase !== 'writing' && phase !== 'abandoning') return null
  if (afterwards === undefined) return null
  if (typeof noSync !== 'boolean' || typeof verify !== 'boolean' || typeof allowShort !== 'boolean') return null
  if (typeof leadsToBacking !== 'boolean') return null
  const rest = { mtimes, siblings, backup, afterwards, noSync, verify, allowShort, leadsToBacking }
  return { process, started, phase, overlay, backing, ...rest }
}

function parsePath(value: unknown): Buffer | null {
  const path = isRecord(value)
    ? Buffer.from(typeof value.base64 === 'string' ? value.base64 : '', 'base64')
    : Buffer.from(typeof value === 'string' ? value : '')
  return path.length === 0 || path.includes(0) ? null : path
}

function parsePin(value: unknown): PinnedFile | null {
  if (!isRecord(value)) return null
  const path = parsePath(value.path)
  const device = parseWide(value.device)
  const inode = parseWide(value.inode)
  return path === null || device === null || inode === null ? null : { path, device, inode }
}

function parseWide(value: unknown): bigint | null {
  if (typeof value !== 'string' || value.length === 0 || value.length > 20) return null
  for (const digit of value) if (digit < '0' || digit > '9') return null
  return BigInt(value)
}

function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function parseOverlayPin(value: unknown): PinnedOverlay | null {
  const pin = parsePin(value)
  if (pin === null || !isRecord(value)) return null
  const { headerDigest: digest, mtime } = value
  return typeof digest === 'string' && isSeconds(mtime) ? { ...pin, headerDigest: digest, mtime } : null
}

function parseBackingPin(value: unknown): MergeJournal['backing'] | null {
  const pin = parsePin(value)
  if (pin === null || !isRecord(value)) return null
  const { size, mtime, kind } = value
  if (!Number.isSafeInteger(size) || !isSeconds(mtime) || (kind !== 'file' && kind !== 'blockDevice')) return null
  return { ...pin, size: size as number, mtime, kind }
}

function parseMtimes(value: unknown): MergeJournal['mtimes'] | null {
  if (!isRecord(value) || !isSeconds(value.invalid) || !isSeconds(value.final)) return null
  return { invalid: value.invalid, final: value.final }
}

function parseProcess(value: unknown): ProcessIdentity | null {
  if (!isRecord(value) || typeof value.hostName !== 'string' || !Number.isSafeInteger(value.pid)) return null
  const text = (one: unknown) => (typeof one === 'string' ? one : null)
  return {
    hostName: value.hostName,
    machine: text(value.machine),
    boot: text(value.boot),
    pidNamespace: text(value.pidNamespace),
    pid: value.pid as number,
    startTime: text(value.startTime),
  }
}

/** The error for a journal or marker that is not ours, or damaged. */
export function unreadableJournal(path: Buffer): UmlcowError {
  const shown = printablePath(path)
  return new UmlcowError('JOURNAL_DAMAGED', `${shown}: is not a journal that this release can read`, {
    hint: 'if no merge was ever begun here, move it away',
  })
}
