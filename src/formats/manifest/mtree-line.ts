import { parseDigits, parseInteger } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { decodeDevice, isDeviceNumber } from './device.js'
import type { DeviceNumber, EntryType } from './entry.js'
import { maxMode } from './mode.js'
import { unescapeName } from './mtree-text.js'
import { maxPathLength } from './path.js'
import { isTime, nsPerSecond } from './time.js'
import { isWithin, maxId } from './validate.js'

const types = new Map<string, EntryType>([
  ['file', 'file'],
  ['dir', 'directory'],
  ['link', 'symlink'],
  ['char', 'character'],
  ['block', 'block'],
  ['fifo', 'fifo'],
  ['socket', 'socket'],
])

/** The values of known keywords. umlcow does not keep the others: digests, flags, names of users. */
export interface MtreeValues {
  type?: EntryType
  mode?: number
  uid?: number
  gid?: number
  size?: number
  mtimeNs?: bigint
  device?: DeviceNumber
  linkTarget?: Uint8Array
  nlink?: number
  inode?: string
  resdevice?: string
}

type Parser<T> = (value: Uint8Array) => T | null

function numberWithin(limit: number, base: 8 | 10 = 10): Parser<number> {
  return (value) => {
    const number = parseDigits(value, base)
    return number !== null && isWithin(number, limit) ? number : null
  }
}

/** A text that is only compared with other texts. */
const token: Parser<string> = (value) => (value.length > 0 && value.length <= 64 ? latin1Text(value) : null)

/** Seconds, a point, nanoseconds. The latter are not a fraction: libarchive writes them without leading zeros. */
const time: Parser<bigint> = (value) => {
  const point = value.indexOf(0x2e)
  const seconds = parseInteger(point < 0 ? value : value.subarray(0, point))
  const nanoseconds = point < 0 ? 0 : parseDigits(value.subarray(point + 1), 10)
  if (seconds === null || !isTime(seconds) || nanoseconds === null || nanoseconds > 999_999_999) return null
  return seconds * nsPerSecond + BigInt(nanoseconds)
}

/** `native,MAJOR,MINOR`, `linux,MAJOR,MINOR` or a dev_t of Linux. */
const device: Parser<DeviceNumber> = (value) => {
  const [format, ...numbers] = latin1Text(value, 0, 64).split(',')
  if (numbers.length === 0) {
    const number = parseDigits(value, 10)
    return number === null ? null : decodeDevice(number)
  }
  if ((format !== 'native' && format !== 'linux') || numbers.length !== 2) return null
  const [major, minor] = numbers.map((text) => parseDigits(latin1Bytes(text), 10))
  if (major == null || minor == null) return null
  return isDeviceNumber({ major, minor }) ? { major, minor } : null
}

const link: Parser<Uint8Array> = (value) => {
  const target = unescapeName(value)
  const isTarget = target !== null && target.length > 0 && target.length <= maxPathLength && !target.includes(0)
  return isTarget ? target : null
}

const parsers: { readonly [K in keyof MtreeValues]-?: readonly [string, Parser<NonNullable<MtreeValues[K]>>] } = {
  type: ['type', (value) => types.get(latin1Text(value)) ?? null],
  mode: ['mode', numberWithin(maxMode, 8)],
  uid: ['uid', numberWithin(maxId)],
  gid: ['gid', numberWithin(maxId)],
  size: ['size', numberWithin(Number.MAX_SAFE_INTEGER)],
  mtimeNs: ['time', time],
  device: ['device', device],
  linkTarget: ['link', link],
  nlink: ['nlink', numberWithin(maxId)],
  inode: ['inode', token],
  resdevice: ['resdevice', token],
}

const fieldsByKeyword = new Map(
  Object.entries(parsers).map(([field, [keyword]]) => [keyword, field as keyof MtreeValues]),
)

/** Split a line into words, at blanks and tabs. */
export function wordsOf(line: Uint8Array): Uint8Array[] {
  const words: Uint8Array[] = []
  let start = -1
  for (let i = 0; i <= line.length; i++) {
    const byte = i < line.length ? line[i] : 0x20
    const isBlank = byte === 0x20 || byte === 0x09 || byte === 0x0d
    if (isBlank && start >= 0) words.push(line.subarray(start, i))
    if (isBlank) start = -1
    else if (start < 0) start = i
  }
  return words
}

/** Put the value of a word `keyword=value` into `values`. @returns the keyword when its value is wrong, else null */
export function applyWord(word: Uint8Array, values: MtreeValues): string | null {
  const equals = word.indexOf(0x3d)
  const keyword = latin1Text(word, 0, equals < 0 ? Math.min(word.length, 64) : Math.min(equals, 64))
  const field = fieldsByKeyword.get(keyword)
  if (field === undefined) return null
  const value = equals < 0 ? null : parsers[field][1](word.subarray(equals + 1))
  if (value === null) return keyword
  Object.assign(values, { [field]: value })
  return null
}

/** Remove a keyword, or all, from the defaults, as `/unset` does. */
export function unset(word: Uint8Array, values: MtreeValues): void {
  const keyword = latin1Text(word, 0, 64)
  if (keyword === 'all') for (const field of Object.keys(values)) delete values[field as keyof MtreeValues]
  const field = fieldsByKeyword.get(keyword)
  if (field !== undefined) delete values[field]
}
