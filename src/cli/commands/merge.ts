import type { Command } from 'commander'
import { Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { copiers } from '../../engine/choose-copier.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { standardOutput } from '../../host/standard-output.js'
import { mergeInPlace } from '../../verbs/in-place/merge-in-place.js'
import { type MergeResult, merge } from '../../verbs/merge.js'
import { isMergeInPlace } from '../../verbs/merge-guard.js'
import type { MergeOptions } from '../../verbs/merge-options.js'
import { type CliContext, type CommonFlags, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import {
  addInPlaceOptions,
  type InPlaceFlags,
  inPlaceFlagNames,
  inPlaceOptions,
  runInPlace,
  verifiedLines,
} from '../in-place.js'
import { addBackingOptions, addForceOption, addJsonOptions, addProgressOptions, allForceWords } from '../options.js'
import type { Finish } from '../program.js'
import { openProgress } from '../progress.js'
import { jsonPath } from '../report-info.js'
import { runUnfinished, type UnfinishedFlags, unfinishedAction } from '../unfinished.js'

interface Flags
  extends CommonFlags,
    InPlaceFlags,
    UnfinishedFlags,
    Omit<MergeOptions, 'signal' | 'files' | 'onProgress' | 'noSync' | 'bufferSize'> {
  readonly inPlace?: boolean
  readonly leave?: boolean
  readonly reset?: boolean
  readonly delete?: boolean
  readonly sync: boolean
}

export function addMerge(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command('merge <cow> [target]')
    .summary('merge an overlay into a new image, or into its backing file')
    .description(
      'Merge an overlay and its backing file into TARGET, a new file, or to standard output when TARGET is "-". ' +
        'The new file appears whole or not at all; the overlay and the backing file stay as they are. ' +
        'With -d, or when TARGET is the backing file itself, the overlay is merged into the backing file: whatever ' +
        'happens on the way, the merge can be finished with --resume, and no guest opens an overlay that would show ' +
        'anything wrong.',
    )
    .option('-d, --in-place', 'merge into the backing file')
    .addOption(
      new Option('--leave', 'in place: leave the overlay byte for byte, as uml_moo does').conflicts([
        'reset',
        'delete',
      ]),
    )
    .addOption(new Option('--reset', 'in place: empty the overlay afterwards').conflicts(['leave', 'delete']))
    .addOption(new Option('--delete', 'in place: remove the overlay afterwards').conflicts(['leave', 'reset']))
  addInPlaceOptions(command)
    .addOption(new Option('--resume', 'finish a merge in place that was cut short').conflicts(['status', 'abandon']))
    .addOption(new Option('--status', 'tell of a merge in place that was cut short').conflicts(['resume', 'abandon']))
    .addOption(new Option('--abandon', 'give up a merge in place that was cut short').conflicts(['resume', 'status']))
    .option('--overwrite', 'replace TARGET, unless it is an input, an overlay, or the backing file of one beside it')
    .addOption(
      new Option(
        '--sparse <when>',
        'auto, the default: holes stay holes, and zeros become holes where that costs nothing; always: all zeros do; never',
      ).choices(['auto', 'always', 'never']),
    )
    .addOption(
      new Option(
        '--copier <way>',
        'how the backing file is copied: sharing its storage, by cp, by the extents that filefrag tells, or by reading; ' +
          'auto, the default: the fastest that works',
      ).choices(['auto', ...copiers]),
    )
    .option('--allow-short', 'allocated sectors beyond the end of the overlay read as zeros, as in the kernel')
    .option('--no-sync', 'skip every fsync: for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(addBackingOptions(command)), allForceWords))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow merge cow.node0 merged.img\n  umlcow merge -b root_fs cow.node0 merged.img\n' +
      '  umlcow merge cow.node0 - | gzip > merged.img.gz\n  umlcow merge -d --keep-siblings cow.node0\n' +
      '  umlcow merge --resume cow.node0\n' +
      '\nExit status: 0 done, 1 failed (a new file was not left behind; a merge in place can be resumed when the message ' +
      'says so), 4 refused to protect data, 63 no COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, target: string | undefined, flags: Flags) => {
    const action = unfinishedAction(flags)
    if (action !== null) {
      if (target !== undefined) throw new UmlcowError('USAGE', `merge --${action} takes one file, no target`)
      refuseFlags(flags, notForUnfinished, (option) => `merge --${action} goes without --${option}`)
      return finish(await runUnfinished(action, cow, flags, context))
    }
    if (flags.inPlace || (target !== undefined && target !== '-' && (await isMergeInPlace(cow, target, flags)))) {
      if (target !== undefined && flags.inPlace && !(await isMergeInPlace(cow, target, flags))) {
        throw new UmlcowError('USAGE', 'merge -d takes no target: it merges into the backing file')
      }
      refuseFlags(flags, notForInPlace, (option) => `a merge in place goes without --${option}`)
      return finish(
        await runInPlace(
          mergeInPlace,
          cow,
          { ...inPlaceOptions(flags), afterwards: afterwardsOf(flags) },
          flags,
          context,
        ),
      )
    }
    refuseFlags(flags, notForNewFile, (option) => `--${option} is for merging in place: add -d`)
    finish(await runNewFile(cow, target, flags, context))
  })
}

function afterwardsOf(flags: Flags): 'keep' | 'leave' | 'reset' | 'delete' {
  if (flags.leave) return 'leave'
  if (flags.reset) return 'reset'
  return flags.delete ? 'delete' : 'keep'
}

/** A merge that was begun goes on with the options of its journal. */
const notForUnfinished = [
  'leave',
  'reset',
  'delete',
  'keepSiblings',
  'backup',
  'verify',
  'overwrite',
  'sparse',
  'copier',
  'buffer',
  'allowShort',
  'dryRun',
  'backing',
  'backingRoot',
  'chain',
] as const

/** `--overwrite` is allowed: TARGET may be any existing file then, and it is the backing file. */
const notForInPlace = ['sparse', 'copier'] as const

const notForNewFile = [...inPlaceFlagNames, 'leave', 'reset', 'delete'] as const

/** @throws UmlcowError USAGE when one of the flags is given */
function refuseFlags(flags: Flags, names: readonly (keyof Flags)[], why: (option: string) => string): void {
  const name = names.find((one) => flags[one] !== undefined)
  if (name === undefined) return
  throw new UmlcowError('USAGE', why(name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)))
}

async function runNewFile(cow: string, target: string | undefined, flags: Flags, context: CliContext): Promise<number> {
  if (target === undefined) {
    throw new UmlcowError(
      'USAGE',
      'merge needs a target: a new file, - for standard output, or -d for the backing file',
    )
  }
  if (target === '-' && wantsJson(flags)) {
    throw new UmlcowError('USAGE', 'standard output cannot take both the image and JSON')
  }
  if (target === '-' && flags.verify) {
    throw new UmlcowError('USAGE', '--verify: what went to standard output cannot be read back')
  }
  const view = await openProgress(flags, target === '-' || wantsJson(flags))
  let result: MergeResult
  try {
    const options = {
      ...flags,
      bufferSize: flags.buffer,
      noSync: !flags.sync,
      signal: context.signal,
      onProgress: view.onProgress,
    }
    result = await merge(cow, target === '-' ? standardOutput() : target, options)
  } catch (error) {
    throw target === '-' ? withIncompleteOutput(error) : error
  } finally {
    await view.stop()
  }
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(mergeDocument(result))
  else if (result.target !== null && !flags.quiet) await context.printDone(mergeText(result))
  return exitStatus.done
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
    copier: result.copier,
    verified: result.verified,
    warnings: result.warnings,
  }
}

function mergeText(result: MergeResult): string {
  const from = `${formatSize(result.allocatedSectors * result.sectorSize)} of them from ${printablePath(result.overlay)}`
  const verb = result.dryRun ? 'would be ' : ''
  const first = `${printablePath(result.target ?? '-')}: ${verb}${formatSize(result.virtualSize)}, ${from}`
  return [first, ...verifiedLines(result.verified), ''].join('\n')
}
