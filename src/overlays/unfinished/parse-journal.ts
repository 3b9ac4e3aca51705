import type { ProcessIdentity } from '../../machine/processes/process-identity.js'
import {
  allAfterwards,
  journalKind,
  type MergeJournal,
  markerKind,
  type PinnedFile,
  type PinnedOverlay,
  type PinnedSibling,
} from './journal-json.js'

// Anybody may have written a journal or marker, so umlcow checks every field.

/** Parse a marker. @returns the overlay that it names; null when it is not a marker */
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
    return null // Not JSON: the caller reports what it expected.
  }
}

/** Parse a journal. @returns null for anything but a whole journal */
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

/** Test for a date as `toISOString` writes it: messages show it. */
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
  // Journals of early builds lack this field. A merge then restores the old time to the second.
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
