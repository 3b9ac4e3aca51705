import type { EntryType } from './entry.js'

// File types in st_mode.  Source: POSIX <sys/stat.h>, values of Linux include/uapi/linux/stat.h
const typeBits: Readonly<Record<EntryType, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
}

const typeMask = 0o170000
const typesByBits = new Map(Object.entries(typeBits).map(([type, bits]) => [bits, type as EntryType]))

export const maxMode = 0o7777

/** Add the bits of the type to `mode`, as in `st_mode`. */
export function fullMode(type: EntryType, mode: number): number {
  return typeBits[type] + mode
}

/** Split `st_mode` into type and mode. Null when Linux has no such type, or when higher bits are set. */
export function splitMode(full: number): { type: EntryType; mode: number } | null {
  if (!Number.isInteger(full) || full < 0 || full > 0o177777) return null
  const type = typesByBits.get(full & typeMask)
  return type === undefined ? null : { type, mode: full & maxMode }
}

/** True for character and block devices. */
export function isDevice(type: EntryType): boolean {
  return type === 'character' || type === 'block'
}
