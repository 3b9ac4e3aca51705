import { printablePath } from '../bytes/escape.js'
import { errorCodes, hasCode, UmlcowError } from '../errors.js'
import { type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { directoryName } from '../machine/path-bytes.js'
import { findWriters } from '../machine/processes/find-writers.js'
import { inspectTarget, type NewFileTarget, targetExists } from '../machine/write-new-file.js'
import { layerOf, lookInto } from './open.js'
import { openOverlay } from './open-overlay.js'
import { findOverlayOver } from './siblings/find-overlay-over.js'
import { refuseUnfinished } from './unfinished/find-merge-around.js'

export interface TargetOptions {
  readonly overwrite?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
  /** Allow the replacement of an overlay. */
  readonly mayBeOverlay?: boolean | undefined
  /** What the user can do about a file that is there; by default the option --overwrite. */
  readonly existsHint?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Look at the place of an output, and follow links; null for nothing, or for a link to nothing. */
export async function targetFacts(files: HostFiles, path: HostPath): Promise<FileFacts | null> {
  if ((await files.lstatOrNull(path)) === null) return null
  try {
    return await files.stat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null // A dangling link is no input; inspectTarget refuses it.
    throw error
  }
}

/** Refuse an output that is an input under any name. @throws UmlcowError SAME_FILE */
export function refuseSameFile(
  target: FileFacts | null,
  targetName: string,
  input: FileFacts,
  inputPath: HostPath,
): void {
  if (target === null || !isSameFile(target, input)) return
  throw new UmlcowError('SAME_FILE', `${targetName}: is the same file as the input ${printablePath(inputPath)}`)
}

/**
 * Find the place of a new file, and refuse one where the user would lose data.
 *
 * Either nothing has that name, or `overwrite` allows a regular file there that no process writes to. That file must be
 * neither an overlay nor the backing file of an overlay beside it.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, TARGET_PROTECTED, WRITE_PROTECTED, UNFINISHED_MERGE, IN_USE
 */
export async function guardTarget(files: HostFiles, path: HostPath, options: TargetOptions): Promise<NewFileTarget> {
  const place = await inspectTarget(files, path, true)
  const { existing } = place
  if (existing === null) return place
  await refuseUnfinished(files, place.path)
  const shown = printablePath(path)
  if (!options.mayBeOverlay && (await isOverlay(files, place.path))) {
    throw new UmlcowError('TARGET_PROTECTED', `${shown}: is an overlay; remove it first if it is not needed`)
  }
  const overlay = await findOverlayOver(files, directoryName(place.path), existing, options.signal)
  if (overlay !== null) {
    throw new UmlcowError('TARGET_PROTECTED', `${shown}: is the backing file of the overlay ${printablePath(overlay)}`)
  }
  if (!options.overwrite) throw targetExists(path, options.existsHint)
  refuseUnlessForced(await findWriters(files, [{ path, facts: existing }]), options.force)
  return place
}

async function isOverlay(files: HostFiles, path: HostPath): Promise<boolean> {
  try {
    await (await openOverlay(files, path)).store.close()
    return true
  } catch (error) {
    if (hasCode(error, 'NOT_COW')) return isQcow2Overlay(files, path)
    if (error instanceof UmlcowError && error.code in errorCodes) return true // A damaged overlay.
    throw error
  }
}

async function isQcow2Overlay(files: HostFiles, path: HostPath): Promise<boolean> {
  try {
    return await lookInto(files, path, (file) => layerOf(file).below !== null)
  } catch (error) {
    if (error instanceof UmlcowError && error.code in errorCodes) return true // A damaged image.
    throw error
  }
}
