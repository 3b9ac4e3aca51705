import fs from 'node:fs'
import { hasCode } from '../errors.js'
import type { HostPath } from './host-files.js'

/**
 * Where something is mounted below a directory: paths from there on.
 *
 * @param list  `/proc/self/mountinfo` as latin1; the fifth field of a line is the place, blanks and the like in it as \ooo
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

/** The same on this machine. Where it has no such list, it says nothing: then nothing is found. */
export function mountPointsBelow(directory: HostPath): Buffer[] {
  try {
    const list = fs.readFileSync('/proc/self/mountinfo', 'latin1')
    return mountPointsIn(list, fs.realpathSync.native(directory, { encoding: 'buffer' }))
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return []
    throw error
  }
}
