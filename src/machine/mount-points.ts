import fs from 'node:fs'
import { hasCode } from '../errors.js'
import type { HostPath } from './host-files.js'

/**
 * List the mount points below a directory, as paths relative to it.
 *
 * @param list  `/proc/self/mountinfo` as latin1; field 5 of a line is the mount point, with blanks and the like as \ooo
 * @param top   absolute and without links
 */
export function mountPointsIn(list: string, top: Buffer): Buffer[] {
  const start = Buffer.concat([top, Buffer.from('/')]).toString('latin1')
  const places = list.split('\n').map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
  const below = new Set(places.filter((place) => place.startsWith(start) && place.length > start.length))
  return [...below].map((place) => Buffer.from(place.slice(start.length), 'latin1'))
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** List the mount points below a directory of this machine; none where the host has no such list. */
export function mountPointsBelow(directory: HostPath): Buffer[] {
  try {
    const list = fs.readFileSync('/proc/self/mountinfo', 'latin1')
    return mountPointsIn(list, fs.realpathSync.native(directory, { encoding: 'buffer' }))
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return []
    throw error
  }
}
