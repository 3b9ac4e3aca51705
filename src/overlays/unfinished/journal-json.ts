import type { ProcessIdentity } from '../../machine/processes/process-identity.js'

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

/** A kept sibling, or the undo overlay. */
export interface PinnedSibling extends PinnedOverlay {
  /** Its header leads to the backing file from here. One in a jail counts by what else its header says. */
  readonly leads: boolean
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

export const allAfterwards: readonly Afterwards[] = ['keep', 'leave', 'reset', 'delete']

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
    /** What comes after the whole seconds of its mtime. */
    readonly mtimeNanoseconds: number
    readonly kind: 'file' | 'blockDevice'
  }
  /** Of the backing file: when this journal was written, while it is written itself, and for good. */
  readonly mtimes: { readonly shown: number; readonly invalid: number; readonly final: number }
  /** Siblings that are kept: copied up, and refreshed at the end. */
  readonly siblings: readonly PinnedSibling[]
  /** The undo overlay, one of the siblings' kind. */
  readonly backup: PinnedSibling | null
  readonly afterwards: Afterwards
  readonly noSync: boolean
  readonly verify: boolean
  readonly allowShort: boolean
  /** The overlay's header leads to the backing file, so it gets the new mtime. */
  readonly leadsToBacking: boolean
}

const journalKind = 'umlcow in-place merge 1'
const markerKind = 'umlcow merging 1'

// JSON: paths as text where they are text, else as { base64 }; device and inode as strings, for they have 64 bits.

function pathJson(path: Buffer): unknown {
  const text = path.toString('utf8')
  return Buffer.from(text).equals(path) ? text : { base64: path.toString('base64') }
}

function pinJson(pin: PinnedFile): Record<string, unknown> {
  return { ...pin, path: pathJson(pin.path), device: String(pin.device), inode: String(pin.inode) }
}

export function serializeJournal(journal: MergeJournal): Buffer {
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

export function serializeMarker(overlayPath: Buffer): Buffer {
  return Buffer.from(`${JSON.stringify({ kind: markerKind, overlay: pathJson(overlayPath) })}\n`)
}

/** @returns the overlay that the marker names; null when it is no marker */
export function parseMarker(bytes: Buffer): Buffer | null {
  const value = parseJson(bytes)
  return isRecord(value) && value.kind === markerKind ? parsePath(value.overlay) : null
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

/** @returns null for anything that is no whole journal: nothing in it is taken on trust */
export function parseJournal(bytes: Buffer): MergeJournal | null {
  const value = parseJson(bytes)
  if (!isRecord(value) || value.kind !== journalKind) return null
  const overlay = parseOverlayPin(value.overlay)
  const backing = parseBackingPin(value.backing)
  const process = parseProcess(value.process)
  const siblings = Array.isArray(value.siblings) ? value.siblings.map(parseSiblingPin) : [null]
  const backup = value.backup === null ? null : parseSiblingPin(value.backup)
  const mtimes = parseMtimes(value.mtimes)
  const { started, phase, noSync, verify, allowShort, leadsToBacking } = value
  const afterwards = allAfterwards.find((one) => one === value.afterwards)
  if (overlay === null || backing === null || process === null || mtimes === null) return null
  if (backup === null && value.backup !== null) return null
  if (!siblings.every((one) => one !== null) || !isDate(started)) return null
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

/** As `toISOString` writes it: it is shown to people. */
function isDate(value: unknown): value is string {
  if (typeof value !== 'string') return false
  const date = new Date(value)
  return !Number.isNaN(date.getTime()) && date.toISOString() === value
}

function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) < 2 ** 33
}

function isNanoseconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 1e9
}

function parseOverlayPin(value: unknown): PinnedOverlay | null {
  const pin = parsePin(value)
  if (pin === null || !isRecord(value)) return null
  const { headerDigest: digest, mtime } = value
  return typeof digest === 'string' && isSeconds(mtime) ? { ...pin, headerDigest: digest, mtime } : null
}

function parseSiblingPin(value: unknown): PinnedSibling | null {
  const pin = parseOverlayPin(value)
  if (pin === null || !isRecord(value)) return null
  const { leads = true } = value
  return typeof leads === 'boolean' ? { ...pin, leads } : null
}

function parseBackingPin(value: unknown): MergeJournal['backing'] | null {
  const pin = parsePin(value)
  if (pin === null || !isRecord(value)) return null
  // Absent in journals of early builds: then the old time comes back to the second.
  const { size, mtime, kind, mtimeNanoseconds = 0 } = value
  if (!isNanoseconds(mtimeNanoseconds)) return null
  if (!Number.isSafeInteger(size) || !isSeconds(mtime) || (kind !== 'file' && kind !== 'blockDevice')) return null
  return { ...pin, size: size as number, mtime, mtimeNanoseconds, kind }
}

function parseMtimes(value: unknown): MergeJournal['mtimes'] | null {
  if (!isRecord(value)) return null
  const { shown, invalid, final } = value
  return isSeconds(shown) && isSeconds(invalid) && isSeconds(final) ? { shown, invalid, final } : null
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
