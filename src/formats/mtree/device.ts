import { parseDigits } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { decodeDevice, isDeviceNumber } from '../manifest/device.js'
import type { DeviceNumber } from '../manifest/entry.js'

// The value of `device` in mtree text.  Source: mtree(5) of libarchive, mtree(8) and mknod(8) of NetBSD.
//
// FORMAT,MAJOR,MINOR           the numbers as the system FORMAT shows them
// bsdos,MAJOR,UNIT,SUBUNIT     BSD/OS keeps the subunit in the low 8 bits of the minor number
// NUMBER                       as the file system stores it

/** The systems that mtree(5) names. */
const systems = new Set([
  'native',
  '386bsd',
  '4bsd',
  'bsdos',
  'freebsd',
  'hpux',
  'isc',
  'linux',
  'netbsd',
  'osf1',
  'sco',
  'solaris',
  'sunos',
  'svr3',
  'svr4',
  'ultrix',
])

const maxUnit = 0xfff
const maxSubunit = 0xff

/**
 * Read a device number. Null when it is malformed, or too large for Linux.
 *
 * A single number has the layout of Linux, which is also that of NetBSD. Below 65536 all systems have the same.
 */
export function parseDevice(value: Uint8Array): DeviceNumber | null {
  const [first = '', ...rest] = latin1Text(value, 0, 65).split(',')
  const numbers = rest.length === 0 ? [parseNumber(first)] : rest.map(parseNumber)
  if (!areNumbers(numbers)) return null
  if (rest.length === 0) return decodeDevice(numbers[0]!)
  return systems.has(first) ? fromParts(first, numbers) : null
}

function fromParts(system: string, [major, unit, subunit, ...more]: readonly number[]): DeviceNumber | null {
  if (major === undefined || unit === undefined || more.length > 0) return null
  if (subunit === undefined) return fitting({ major, minor: unit })
  if (system !== 'bsdos' || unit > maxUnit || subunit > maxSubunit) return null
  return fitting({ major, minor: unit * (maxSubunit + 1) + subunit })
}

function fitting(device: DeviceNumber): DeviceNumber | null {
  return isDeviceNumber(device) ? device : null
}

function areNumbers(numbers: readonly (number | null)[]): numbers is readonly number[] {
  return !numbers.includes(null)
}

/** Read a number as C writes it: 0x before hexadecimal digits, 0 before octal ones. */
function parseNumber(text: string): number | null {
  if (text.startsWith('0x')) return parseDigits(latin1Bytes(text.slice(2)), 16)
  return parseDigits(latin1Bytes(text), text.startsWith('0') ? 8 : 10)
}
