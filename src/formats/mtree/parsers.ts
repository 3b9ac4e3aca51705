import { parseDigits, parseInteger } from '../../bytes/decimal.js'
import { pathText } from '../../bytes/escape.js'
import { latin1Text } from '../../bytes/fast.js'
import type { EntryType } from '../manifest/entry.js'
import { isWithin } from '../manifest/is-within.js'
import { maxPathLength } from '../manifest/path.js'
import { isTime, nsPerSecond } from '../manifest/time.js'
import { unescapeName } from './text.js'

/** Reads the value of a keyword; null when it is wrong. */
export type ValueParser<T> = (value: Uint8Array) => T | null

const types = new Map<string, EntryType>([
  ['file', 'file'],
  ['dir', 'directory'],
  ['link', 'symlink'],
  ['char', 'character'],
  ['block', 'block'],
  ['fifo', 'fifo'],
  ['socket', 'socket'],
])

export const typeNames = [...types.keys()].join(', ')

export const parseType: ValueParser<EntryType> = (value) => types.get(latin1Text(value)) ?? null

/** Make a parser of numbers from 0 to `limit`. */
export function numberWithin(limit: number, base: 8 | 10 = 10): ValueParser<number> {
  return (value) => {
    const number = parseDigits(value, base)
    return number !== null && isWithin(number, limit) ? number : null
  }
}

/** Read a text that is only compared with other texts. */
export const parseToken: ValueParser<string> = (value) =>
  value.length > 0 && value.length <= 64 ? latin1Text(value) : null

/** Seconds, a point, nanoseconds. The latter are not a fraction: libarchive writes them without leading zeros. */
export const parseTime: ValueParser<bigint> = (value) => {
  const point = value.indexOf(0x2e)
  const seconds = parseInteger(point < 0 ? value : value.subarray(0, point))
  const nanoseconds = point < 0 ? 0 : parseDigits(value.subarray(point + 1), 10)
  if (seconds === null || !isTime(seconds) || nanoseconds === null || nanoseconds > 999_999_999) return null
  return seconds * nsPerSecond + BigInt(nanoseconds)
}

/** Read a path, or the target of a link. */
export const parsePath: ValueParser<Uint8Array> = (value) => {
  const target = unescapeName(value)
  const isTarget = target !== null && target.length > 0 && target.length <= maxPathLength && !target.includes(0)
  return isTarget ? target : null
}

/** Read the name of a user or a group. NetBSD does not escape it, so a backslash may stand for itself. */
export const parseOwner: ValueParser<string> = (value) => {
  const name = unescapeName(value) ?? value
  return name.length > 0 && name.length <= 256 ? pathText(name) : null
}

/** Read file flags of BSD. `none` gives an empty text. */
export const parseFlags: ValueParser<string> = (value) => {
  const text = latin1Text(value, 0, Math.min(value.length, 64))
  return text === 'none' ? '' : text
}
