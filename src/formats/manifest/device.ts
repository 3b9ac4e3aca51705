import type { DeviceNumber } from './entry.js'
import { isWithin } from './is-within.js'

export const maxMajor = 0xfff
export const maxMinor = 0xfffff

// dev_t as Linux gives it to programs, 32 bits: bits 0-7 of the minor number, then 12 bits of the major number in bits
// 8-19, then bits 8-19 of the minor number in bits 20-31.  Source: Linux include/linux/kdev_t.h, new_encode_dev.

/** True when both numbers are within the limits of Linux. */
export function isDeviceNumber({ major, minor }: DeviceNumber): boolean {
  return isWithin(major, maxMajor) && isWithin(minor, maxMinor)
}

/** True for 0:0, which no device has. */
export function isDeviceZero({ major, minor }: DeviceNumber): boolean {
  return major === 0 && minor === 0
}

/** Compute the dev_t of a device number. */
export function encodeDevice({ major, minor }: DeviceNumber): number {
  const low = minor % 256
  return low + major * 256 + ((minor - low) / 256) * 2 ** 20
}

/** Split a dev_t into its numbers; null when it has more than 32 bits. */
export function decodeDevice(number: number): DeviceNumber | null {
  if (!isWithin(number, 0xffffffff)) return null
  const low = number % 256
  const major = ((number - low) / 256) % 4096
  const high = (number - (number % 2 ** 20)) / 2 ** 20
  return { major, minor: high * 256 + low }
}
