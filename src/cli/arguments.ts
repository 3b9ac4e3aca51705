import { pathText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { rawArguments } from '../machine/processes/raw-arguments.js'

/** Node puts it in place of bytes that are not UTF-8. The decoded name is then another name. */
const replacementCharacter = '\u{fffd}'

/**
 * Refuse arguments that Node mangled: it decodes them as UTF-8 and does not keep the bytes.
 *
 * @throws UmlcowError USAGE
 */
export function refuseMangled(args: readonly string[]): void {
  if (!args.some((arg) => arg.includes(replacementCharacter))) return
  // The user may have typed the character itself. Where umlcow cannot see that, refusing is safe.
  const raw = rawArguments(args.length)
  if (raw?.every((word) => pathText(word) !== null)) return
  throw new UmlcowError('USAGE', 'an argument is not UTF-8, and Node cannot pass it to umlcow', {
    hint: 'rename the file, or use a link with a plain name',
  })
}
