import { hasCode, UmlcowError } from '../../errors.js'
import { type FileFacts, localHostFiles } from '../../machine/host-files.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { withHint } from './swapped.js'

// Arguments of humfs verbs that were meant in another order or form: the error gets the command that was meant.

async function kindOf(path: string): Promise<FileFacts['kind'] | null> {
  try {
    return (await localHostFiles.stat(path)).kind
  } catch {
    return null // This only improves a message.
  }
}

/** Explain an export whose DIR is no tree: OUTPUT and DIR in the wrong order, or a plain directory. */
export async function exportMistake(
  error: unknown,
  { to, from }: { readonly to: string; readonly from: string },
  output: string,
  directory: string,
): Promise<unknown> {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'NOT_HUMFS', 'ENOENT', 'ENOTDIR')) return error
  const kind = await kindOf(directory)
  if (kind === null && (await kindOf(output)) === 'directory') {
    const words = `--to ${to}${from === 'humfs' ? '' : ` --from ${from}`}`
    return withHint(
      error,
      `OUTPUT comes first: umlcow humfs export ${words} ${shellQuote(directory)} ${shellQuote(output)}`,
    )
  }
  if (kind !== 'directory' || !hasCode(error, 'NOT_HUMFS')) return error
  const plain = '--from directory reads a plain directory'
  return withHint(error, error.hint === undefined ? plain : `${error.hint}\n${plain}`)
}

/** Explain an import whose INPUT does not exist: INPUT and DIR in the wrong order. */
export async function importMistake(error: unknown, from: string, input: string, directory: string): Promise<unknown> {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'ENOENT', 'TARGET_KIND')) return error
  if ((await kindOf(input)) !== null || (await kindOf(directory)) !== 'file') return error
  return withHint(
    error,
    `INPUT comes first: umlcow humfs import --from ${from} ${shellQuote(directory)} ${shellQuote(input)}`,
  )
}
