import { parseDigits, parseInteger } from '../../bytes/decimal.js'
import { concatBytes, copyOf, latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { nsPerSecond, splitTime } from '../manifest/time.js'
import { sparseRecord } from './sparse/layout.js'

// A record of a pax header: its whole length in decimal digits, a blank, keyword, "=", value, newline.
// Source: POSIX pax, "pax Header Block".

const newline = 0x0a
const comma = Uint8Array.of(0x2c)

/** Keywords (one character a byte) and values. */
export type PaxRecords = Map<string, Uint8Array>

/** Parse pax records. The values are copies. Null when the bytes do not consist of whole records. */
export function parsePaxRecords(bytes: Uint8Array): PaxRecords | null {
  const records: PaxRecords = new Map()
  /** The stretches of sparse version 0.0, the only records that may come more than once. */
  const sparse: Uint8Array[] = []
  let start = 0
  while (start < bytes.length) {
    const blank = bytes.subarray(start, start + 16).indexOf(0x20)
    const length = blank < 0 ? null : parseDigits(bytes.subarray(start, start + blank), 10)
    if (length === null || length < blank + 3 || start + length > bytes.length) return null
    const record = bytes.subarray(start + blank + 1, start + length)
    const equals = record.indexOf(0x3d)
    if (equals < 1 || record[record.length - 1] !== newline) return null
    const keyword = latin1Text(record, 0, equals)
    const value = copyOf(record.subarray(equals + 1, -1))
    if (keyword !== sparseRecord.offset && keyword !== sparseRecord.length) records.set(keyword, value)
    else if ((keyword === sparseRecord.length) !== (sparse.length % 4 === 2)) return null
    else sparse.push(value, comma)
    start += length
  }
  if (sparse.length % 4 !== 0) return null
  return sparse.length === 0 ? records : withMap(records, concatBytes(sparse.slice(0, -1)))
}

/** Add the map of sparse version 0.0 in the form of version 0.1. Null when there are both. */
function withMap(records: PaxRecords, map: Uint8Array): PaxRecords | null {
  return records.has(sparseRecord.map) ? null : records.set(sparseRecord.map, map)
}

/** Write a pax record. */
export function serializePaxRecord(keyword: string, value: Uint8Array): Uint8Array {
  // The length counts its own digits.
  const rest = keyword.length + value.length + 3
  let length = rest + String(rest).length
  length = rest + String(length).length
  return concatBytes([latin1Bytes(`${length} ${keyword}=`), value, Uint8Array.of(newline)])
}

/** Parse seconds with a decimal fraction. @returns nanoseconds, rounded down; null for anything else */
export function parsePaxTime(value: Uint8Array): bigint | null {
  const point = value.indexOf(0x2e)
  const whole = point < 0 ? value : value.subarray(0, point)
  const fraction = point < 0 ? '' : latin1Text(value, point + 1)
  const seconds = parseInteger(whole)
  if (seconds === null || fraction.length > 64) return null
  for (const digit of fraction) if (digit < '0' || digit > '9') return null
  const nanoseconds = BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  if (whole[0] !== 0x2d) return seconds * nsPerSecond + nanoseconds
  const isCut = [...fraction.slice(9)].some((digit) => digit !== '0')
  return seconds * nsPerSecond - nanoseconds - (isCut ? 1n : 0n)
}

/** Format a time as seconds with a decimal fraction. */
export function paxTime(mtimeNs: bigint): string {
  const isNegative = mtimeNs < 0n
  const { seconds, nanoseconds } = splitTime(isNegative ? -mtimeNs : mtimeNs)
  let fraction = String(nanoseconds).padStart(9, '0')
  while (fraction.endsWith('0')) fraction = fraction.slice(0, -1)
  return `${isNegative ? '-' : ''}${seconds}${fraction === '' ? '' : '.'}${fraction}`
}
