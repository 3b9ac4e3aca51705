import { parseSize, sizeProblem } from '../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { localHostFiles } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { openOverlay } from '../../overlays/open-overlay.js'
import { findOverlayOver } from '../../overlays/siblings/find-overlay-over.js'

// Arguments in the order of another verb or tool: the error gets the command that was meant.

async function exists(path: string): Promise<boolean> {
  try {
    return (await localHostFiles.lstatOrNull(path)) !== null
  } catch {
    return false // This only improves a message.
  }
}

async function isOverlay(path: string): Promise<boolean> {
  try {
    await (await openOverlay(localHostFiles, path)).store.close()
    return true
  } catch {
    return false // This only improves a message.
  }
}

/** The same error with another hint. */
export function withHint(error: UmlcowError, hint: string): UmlcowError {
  const { code, message, details } = error
  return new UmlcowError(code, message, { details, hint, cause: error })
}

/** @param command  what comes before the two arguments, such as `umlcow merge` */
export async function mergeSwapped(error: unknown, command: string, first: string, second: string): Promise<unknown> {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'NOT_COW', 'ENOENT', 'NOT_A_FILE')) return error
  if ((await isOverlay(first)) || !(await isOverlay(second))) return error
  // An existing file is not suggested as the target: if it is the backing file, the merge would change it.
  const target = (await exists(first)) ? 'NEW' : shellQuote(first)
  return withHint(error, `the overlay comes first: ${command} ${shellQuote(second)} ${target}`)
}

/** Explain a pack whose output is an image that the user wanted to pack: the last file may be the output. */
export async function packSwapped(error: unknown, out: string, inputs: readonly string[]): Promise<unknown> {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'ENOENT', 'TARGET_EXISTS', 'TARGET_PROTECTED')) return error
  const last = inputs.at(-1)!
  const isMissing = (await exists(out)) && !(await exists(last))
  if (!isMissing && !(hasCode(error, 'TARGET_PROTECTED') && (await isOverlay(out)))) return error
  // An existing file is not suggested as the output: the pack would replace it.
  const words = isMissing ? [last, out, ...inputs.slice(0, -1)] : ['NEW', out, ...inputs]
  return withHint(error, `the output comes first: umlcow pack ${words.map((word) => shellQuote(word)).join(' ')}`)
}

/** Explain a file that is no overlay, where a verb takes the overlay only: its backing file may have been meant. */
export async function overlayMeant(error: unknown, path: string): Promise<unknown> {
  if (!(error instanceof UmlcowError) || !hasCode(error, 'NOT_COW') || error.hint !== undefined) return error
  const overlay = await overlayOver(path)
  if (overlay === null) return withHint(error, 'give the overlay (the COW file), not its backing file')
  return withHint(error, `it is the backing file of the overlay ${shellQuote(overlay)}: give that one`)
}

async function overlayOver(path: string): Promise<Buffer | null> {
  try {
    const facts = await localHostFiles.stat(path)
    return await findOverlayOver(localHostFiles, directoryName(Buffer.from(path)), facts)
  } catch {
    return null // This only improves a message.
  }
}

/**
 * An overlay and its backing file in the order of another command.
 *
 * @param command  writes the command for a new overlay and its backing file
 */
export async function createSwapped(
  error: unknown,
  command: (overlay: string, backing: string) => string,
  first: string,
  second: string,
): Promise<unknown> {
  if (!(error instanceof UmlcowError)) return error
  const isMissing = hasCode(error, 'ENOENT') && !(await exists(second)) && (await exists(first))
  const isBelow = !isMissing && (await isOverlay(second)) && (await exists(first)) && !(await isOverlay(first))
  // The existing overlay is not suggested as the new one: its changes would be lost.
  if (isMissing || isBelow)
    return withHint(
      error,
      `the overlay comes first: ${command(isBelow ? 'NEW' : shellQuote(second), shellQuote(first))}`,
    )
  return error
}

/** Explain the second argument of `create`: the backing file of an overlay, as mkcow takes it, or really no size. */
export async function notASize(file: string, text: string): Promise<UmlcowError> {
  const problem = sizeProblem(text)
  const usage = (message: string, hint: string) => new UmlcowError('USAGE', message, { hint })
  if (await exists(text)) {
    const hint = `umlcow create ${shellQuote(file)} -b ${shellQuote(text)}`
    return usage(`"${text}" is a file, not a size; the option -b names a backing file`, hint)
  }
  if (parseSize(file) === null) return new UmlcowError('USAGE', problem)
  return usage(`${problem}; the file comes first`, `umlcow create ${shellQuote(text)} ${shellQuote(file)}`)
}
