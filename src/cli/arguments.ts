import { readFileSync } from 'node:fs'
import { pathText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'

/** Stands in a decoded argument for bytes that were no UTF-8; a name with it is another name. */
const replacementCharacter = '\u{fffd}'

/**
 * Node decodes arguments as UTF-8 and cannot give back what was not: a file name that it mangled must not be used.
 *
 * @throws UmlcowError USAGE
 */
export function refuseMangled(args: readonly string[]): void {
  if (!args.some((arg) => arg.includes(replacementCharacter)) || !isMangled(args.length)) return
  throw new UmlcowError('USAGE', 'an argument is not UTF-8, and Node cannot pass such names on', {
    hint: 'rename the file, or give a link with a plain name',
  })
}

/** True unless the raw arguments show that the characters were really given. */
function isMangled(count: number): boolean {
  try {
    const raw = readFileSync('/proc/self/cmdline')
    const words: Buffer[] = []
    for (let start = 0; start < raw.length; ) {
      const end = raw.indexOf(0, start)
      words.push(raw.subarray(start, end < 0 ? raw.length : end))
      start = end < 0 ? raw.length : end + 1
    }
    return words.slice(-count).some((word) => pathText(word) === null)
  } catch {
    return true // Without /proc it cannot be told; refusing is safe.
  }
}
