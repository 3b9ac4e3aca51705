import { pathText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { rawArguments } from '../machine/processes/raw-arguments.js'

/** Node puts it in place of bytes that are not UTF-8. The decoded name is then another name. */
const replacementCharacter = '\u{fffd}'

/** Verbs that take paths of files inside an image. */
const imageVerbs: readonly string[] = ['ls', 'cat', 'stat', 'tar', 'extract']

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
    hint: imageVerbs.includes(args[0] ?? '')
      ? 'for a file inside an image, take the directory above it, with tar or extract; a file of this host can have a ' +
        'link with a plain name'
      : 'rename the file, or use a link with a plain name',
  })
}
