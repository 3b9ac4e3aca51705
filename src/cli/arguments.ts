import { pathText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { rawArguments } from '../machine/processes/raw-arguments.js'

/** Stands in a decoded argument for bytes that were no UTF-8; a name with it is another name. */
const replacementCharacter = '\u{fffd}'

/**
 * Node decodes arguments as UTF-8 and cannot give back what was not: a file name that it mangled must not be used.
 *
 * @throws UmlcowError USAGE
 */
export function refuseMangled(args: readonly string[]): void {
  if (!args.some((arg) => arg.includes(replacementCharacter))) return
  // The character may have been given as such. Where that cannot be told, refusing is safe.
  const raw = rawArguments(args.length)
  if (raw?.every((word) => pathText(word) !== null)) return
  throw new UmlcowError('USAGE', 'an argument is not UTF-8, and Node cannot pass such names on', {
    hint: 'rename the file, or give a link with a plain name',
  })
}
