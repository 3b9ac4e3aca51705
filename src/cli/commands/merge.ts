import type { Command } from 'commander'
import { Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { standardOutput } from '../../host/standard-output.js'
import { type MergeResult, merge } from '../../verbs/merge.js'
import { inPlaceUnavailable } from '../../verbs/merge-guard.js'
import type { MergeOptions } from '../../verbs/merge-options.js'
import { type CliContext, type CommonFlags, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addBackingOptions, addForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import type { Finish } from '../program.js'
import { openProgress } from '../progress.js'
import { jsonPath } from '../report-info.js'

interface Flags extends CommonFlags, Omit<MergeOptions, 'signal' | 'files' | 'onProgress' | 'noSync'> {
  readonly inPlace?: boolean
  readonly sync: boolean
}

export function addMerge(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command('merge <cow> [target]')
    .summary('merge an overlay and its backing file into a new image')
    .description(
      'Merge an overlay and its backing file into TARGET, a new file, or to standard output when TARGET is "-". ' +
        'The new file appears whole or not at all; the overlay and the backing file stay as they are. ' +
        'Merging into the backing file itself (-d, or TARGET is the backing file) is not available in this release.',
    )
    .option('-d, --in-place', 'merge into the backing file: not available in this release')
    .option('--overwrite', 'replace TARGET, unless it is an input, an overlay, or the backing file of one beside it')
    .addOption(new Option('--sparse <when>', 'make holes of zeros').choices(['always', 'never']).default('always'))
    .option('--allow-short', 'allocated sectors beyond the end of the overlay read as zeros, as in the kernel')
    .option('--no-sync', 'skip every fsync: for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(addBackingOptions(command))))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow merge cow.node0 merged.img\n  umlcow merge -b root_fs cow.node0 merged.img\n' +
      '  umlcow merge cow.node0 - | gzip > merged.img.gz\n' +
      '\nExit status: 0 done, 1 failed (nothing was left behind), 4 refused to protect data, 63 no COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, target: string | undefined, flags: Flags) => {
    if (flags.inPlace) throw inPlaceUnavailable(null, cow)
    if (target === undefined) {
      throw new UmlcowError('USAGE', 'merge needs a target: a new file, or - for standard output')
    }
    if (target === '-' && wantsJson(flags)) {
      throw new UmlcowError('USAGE', 'standard output cannot take both the image and JSON')
    }
    const view = await openProgress(flags, target === '-' || wantsJson(flags))
    let result: MergeResult
    try {
      const options = { ...flags, noSync: !flags.sync, signal: context.signal, onProgress: view.onProgress }
      result = await merge(cow, target === '-' ? standardOutput() : target, options)
    } catch (error) {
      throw target === '-' ? withIncompleteOutput(error) : error
    } finally {
      await view.stop()
    }
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(mergeDocument(result))
    else if (result.target !== null && !flags.quiet) await context.printDone(mergeText(result))
    finish(exitStatus.done)
  })
}

/** What a reader of standard output got so far must not pass for an image. */
function withIncompleteOutput(error: unknown): unknown {
  if (!hasCode(error, 'INTERRUPTED')) return error
  return new UmlcowError('INTERRUPTED', 'stopped', {
    hint: 'what went to standard output is a part of the image only',
    cause: error,
  })
}

/** Schema: docs/schema/merge.json */
function mergeDocument(result: MergeResult): unknown {
  return {
    overlay: jsonPath(result.overlay),
    'backing-filename': jsonPath(result.backing),
    filename: result.target === null ? null : jsonPath(result.target),
    format: 'raw',
    'virtual-size': result.virtualSize,
    'sectors-from-overlay': result.allocatedSectors,
    'bytes-from-overlay': result.allocatedSectors * result.sectorSize,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function mergeText(result: MergeResult): string {
  const from = `${formatSize(result.allocatedSectors * result.sectorSize)} of them from ${printablePath(result.overlay)}`
  const verb = result.dryRun ? 'would be ' : ''
  return `${printablePath(result.target ?? '-')}: ${verb}${formatSize(result.virtualSize)}, ${from}\n`
}
