import { printablePath } from '../bytes/escape.js'
import { formatSize } from '../bytes/size-text.js'
import { hasCode, UmlcowError } from '../errors.js'
import { newImageForceWords } from '../machine/findings.js'
import { standardOutput } from '../machine/stores/standard-output.js'
import { type MergeKind, type MergeOptions, type MergeResult, mergeDecided } from '../verbs/merge/index.js'
import type { NewImageResult } from '../verbs/merge/new-image/merge-new.js'
import type { NewImageOptions } from '../verbs/merge/options.js'
import { type CliContext, type CommonFlags, wantsJson } from './context.js'
import { exitStatus } from './exit-status.js'
import { reportInPlace, verifiedLines } from './in-place.js'
import { mergeSwapped } from './mistakes/swapped.js'
import { knownForce } from './options.js'
import { openProgress } from './progress.js'
import { jsonPath } from './reports/backing.js'

/** What the command line says of a merge into a new file; `buffer` stands for `bufferSize`, `sync` for no `noSync`. */
export interface NewFileFlags
  extends CommonFlags,
    Omit<NewImageOptions, 'signal' | 'files' | 'onProgress' | 'noSync' | 'bufferSize'> {
  readonly buffer?: number
  readonly sync: boolean
}

/** The options of a merge into a new file. @throws UmlcowError USAGE where flags and target do not fit */
export function newFileOptions(target: string | undefined, flags: NewFileFlags): NewImageOptions {
  if (target === undefined) {
    throw new UmlcowError(
      'USAGE',
      'merge needs a target: a new file, - for standard output, or -d for the backing file',
    )
  }
  if (target === '-' && wantsJson(flags)) {
    throw new UmlcowError('USAGE', 'standard output cannot take both the image and JSON')
  }
  if (target === '-') refuseForPipe(flags)
  return {
    backing: flags.backing,
    backingRoot: flags.backingRoot,
    chain: flags.chain,
    overwrite: flags.overwrite,
    sparse: flags.sparse,
    copier: flags.copier,
    verify: flags.verify,
    allowShort: flags.allowShort,
    dryRun: flags.dryRun,
    force: knownForce('a merge into a new file', flags.force, newImageForceWords),
    bufferSize: flags.buffer,
    noSync: !flags.sync,
  }
}

/** @throws UmlcowError USAGE for a flag that means nothing for standard output */
function refuseForPipe({ verify, overwrite, sparse }: NewFileFlags): void {
  if (verify) throw new UmlcowError('USAGE', '--verify needs a file: umlcow cannot read standard output back')
  if (overwrite) throw new UmlcowError('USAGE', '--overwrite needs a file: it has no meaning for standard output')
  if (sparse === undefined) return
  throw new UmlcowError('USAGE', '--sparse needs a file: umlcow makes no holes in standard output')
}

/**
 * Merge into what the target turns out to be: a new file, standard output or the backing file. Print what was done.
 *
 * @param optionsOf  the options for a kind of merge; it throws when the flags do not fit that kind
 * @returns          the exit status
 */
export async function runMerge(
  cow: string,
  target: string,
  optionsOf: (kind: MergeKind) => MergeOptions,
  flags: NewFileFlags,
  context: CliContext,
): Promise<number> {
  const view = await openProgress(flags, target === '-' || wantsJson(flags))
  let result: MergeResult
  try {
    const { backing, backingRoot, chain } = flags
    const running = { signal: context.signal, onProgress: view.onProgress }
    const place = target === '-' ? standardOutput() : target
    result = await mergeDecided(cow, place, { backing, backingRoot, chain }, (kind) => ({
      ...optionsOf(kind),
      ...running,
    }))
  } catch (error) {
    throw target === '-' ? withIncompleteOutput(error) : await mergeSwapped(error, 'umlcow merge', cow, target)
  } finally {
    await view.stop()
  }
  if (result.inPlace) await reportInPlace(result, flags, context)
  else await reportNewFile(result, flags, context)
  return exitStatus.done
}

async function reportNewFile(result: NewImageResult, flags: CommonFlags, context: CliContext): Promise<void> {
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(mergeDocument(result))
  else if (result.target !== null && !flags.quiet) await context.printDone(mergeText(result))
}

/** The reader of standard output must not take the part that it got for a whole image. */
function withIncompleteOutput(error: unknown): unknown {
  if (!hasCode(error, 'INTERRUPTED')) return error
  return new UmlcowError('INTERRUPTED', 'stopped', {
    hint: 'standard output got only a part of the image',
    cause: error,
  })
}

/** Schema: docs/schema/merge.json */
function mergeDocument(result: NewImageResult): unknown {
  return {
    overlay: jsonPath(result.overlay),
    'backing-filename': result.backing === null ? null : jsonPath(result.backing),
    filename: result.target === null ? null : jsonPath(result.target),
    format: 'raw',
    'virtual-size': result.virtualSize,
    'sectors-from-overlay': result.allocatedSectors,
    'bytes-from-overlay': result.allocatedSectors * result.sectorSize,
    'dry-run': result.dryRun,
    copier: result.copier,
    verified: result.verified,
    warnings: result.warnings,
  }
}

function mergeText(result: NewImageResult): string {
  const from = `${formatSize(result.allocatedSectors * result.sectorSize)} of them from ${printablePath(result.overlay)}`
  const verb = result.dryRun ? 'would be ' : ''
  const first = `${printablePath(result.target ?? '-')}: ${verb}${formatSize(result.virtualSize)}, ${from}`
  return [first, ...verifiedLines(result.verified), ''].join('\n')
}
