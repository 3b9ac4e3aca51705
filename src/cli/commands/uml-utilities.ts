import { UmlcowError } from '../../errors.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { createOverlay } from '../../verbs/create.js'
import { mergeInPlace } from '../../verbs/merge/in-place/merge-in-place.js'
import { mergeNewFile } from '../../verbs/merge/new-image/merge-new.js'
import { errorLines } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { tell, warn } from '../messages.js'
import { createSwapped, mergeSwapped, overlayMeant } from '../mistakes/swapped.js'

// The arguments, defaults and exit statuses are those that the C tools were seen to have: options work only where these
// tools take them, and arguments that these ignore are ignored.  docs/differences.md lists the differences.

const mooUsage = `usage: uml_moo [-b BACKING] COW OUTPUT
       uml_moo -d [-b BACKING] COW
Merge a COW file and its backing file into OUTPUT. An existing OUTPUT is overwritten.
  -b BACKING  use this backing file, not the one in the header
  -d          merge into the backing file; COW does not change
`

const mkcowUsage = `usage: uml_mkcow [-f] COW BACKING
Make an empty COW file on a backing file.
  -f          replace an existing COW file
`

/** Every failure of uml_moo is status 1. */
export async function moo(args: readonly string[], signal: AbortSignal): Promise<number> {
  let rest = [...args]
  const inPlace = rest[0] === '-d'
  if (inPlace) rest = rest.slice(1)
  let backing: string | undefined
  if (rest[0] === '-b') {
    backing = rest[1]
    rest = rest.slice(2)
    if (backing === undefined) return usage(mooUsage, 1)
  }
  const [cow, output] = rest
  if (cow === undefined || rest.length !== (inPlace ? 1 : 2)) return usage(mooUsage, 1)
  try {
    const where = { backing, relativeTo: 'currentDirectory', signal } as const
    const result =
      inPlace || output === undefined
        ? await mergeInPlace(cow, { ...where, afterwards: 'leave' })
        : await mergeNewFile(cow, output, { ...where, overwrite: true })
    for (const warning of result.warnings) warn(warning)
    return exitStatus.done
  } catch (thrown) {
    const error =
      output === undefined ? await overlayMeant(thrown, cow) : await mergeSwapped(thrown, 'umlcow moo', cow, output)
    if (!(error instanceof UmlcowError) || signal.aborted) throw error
    const from = backing === undefined ? '' : `-b ${shellQuote(backing)} `
    const siblings = `umlcow merge -d --keep-siblings ${from}${shellQuote(cow)}`
    tell(errorLines(withOwnHint(error, inPlace ? 'umlcow merge -d' : 'umlcow merge', { SIBLINGS: siblings })))
    return exitStatus.failed
  }
}

/** uml_mkcow exits with 2 for wrong usage, and with 1 for every other failure. */
export async function mkcow(args: readonly string[], signal: AbortSignal): Promise<number> {
  const overwrite = args[0] === '-f'
  const [cow, backing] = overwrite ? args.slice(1) : args
  if (cow === undefined || backing === undefined) return usage(mkcowUsage, 2)
  try {
    const result = await createOverlay(cow, backing, { overwrite, signal })
    for (const warning of result.warnings) warn(warning)
    return exitStatus.done
  } catch (thrown) {
    const error = await createSwapped(thrown, (overlay, below) => `umlcow mkcow ${overlay} ${below}`, cow, backing)
    if (!(error instanceof UmlcowError) || signal.aborted) throw error
    tell(errorLines(withOwnHint(error, 'umlcow create', { TARGET_EXISTS: 'use -f to replace it' })))
    return exitStatus.failed
  }
}

/** These tools refuse the long options that a hint names. The hint then names the verb that takes them. */
function withOwnHint(error: UmlcowError, verb: string, own: Readonly<Record<string, string>>): UmlcowError {
  const { code, message, details, hint } = error
  if (hint === undefined) return error
  const lines = hint.split('\n').map((line, i) => {
    if (!isForVerbs(line)) return line
    return (i === 0 ? own[code] : undefined) ?? `with ${verb}: ${line}`
  })
  return new UmlcowError(code, message, { details, cause: error, hint: lines.join('\n') })
}

function isForVerbs(hint: string): boolean {
  return !hint.startsWith('umlcow ') && hint.split(' ').some((word) => word.startsWith('--'))
}

function usage(text: string, status: number): number {
  tell(text)
  return status
}
