import type { Command } from 'commander'
import { Option } from 'commander'
import { copiers } from '../../engine/choose-copier.js'
import { UmlcowError } from '../../errors.js'
import { mergeInPlace } from '../../verbs/merge/in-place/merge-in-place.js'
import type { InPlaceOptions } from '../../verbs/merge/in-place/options.js'
import type { MergeKind } from '../../verbs/merge/index.js'
import type { NewImageOptions } from '../../verbs/merge/options.js'
import type { CliContext, Finish } from '../context.js'
import { addInPlaceOptions, type InPlaceFlags, inPlaceFlagNames, inPlaceOptions, runInPlace } from '../in-place.js'
import { addBackingOptions, addForceOption, addJsonOptions, addProgressOptions, allForceWords } from '../options.js'
import { type NewFileFlags, newFileOptions, runMerge } from '../run-merge.js'
import { runUnfinished, type UnfinishedFlags, unfinishedAction } from '../run-unfinished.js'

interface Flags extends NewFileFlags, InPlaceFlags, UnfinishedFlags {
  readonly inPlace?: boolean
  readonly leave?: boolean
  readonly reset?: boolean
  readonly delete?: boolean
  readonly sync: boolean
}

export function configureMerge(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<cow> [target]')
    .description(
      'Merge an overlay and its backing file into TARGET, a new file, or to standard output if TARGET is "-". The ' +
        'new file appears complete or not at all. The overlay and the backing file stay unchanged. With -d, or if ' +
        'TARGET is the backing file itself, umlcow merges the overlay into the backing file. If this merge is cut ' +
        'short, --resume finishes it, and until then no guest opens an overlay that would show wrong data.',
    )
    .option('-d, --in-place', 'merge into the backing file')
    .addOption(
      new Option('--leave', 'in place: keep every byte of the overlay, as uml_moo does').conflicts(['reset', 'delete']),
    )
    .addOption(new Option('--reset', 'in place: empty the overlay afterwards').conflicts(['leave', 'delete']))
    .addOption(new Option('--delete', 'in place: remove the overlay afterwards').conflicts(['leave', 'reset']))
  addInPlaceOptions(command)
    .addOption(new Option('--resume', 'finish a merge in place that was cut short').conflicts(['status', 'abandon']))
    .addOption(new Option('--status', 'show a merge in place that was cut short').conflicts(['resume', 'abandon']))
    .addOption(new Option('--abandon', 'abandon a merge in place that was cut short').conflicts(['resume', 'status']))
    .option(
      '--overwrite',
      'replace TARGET, unless it is an input, an overlay, or the backing file of an overlay beside it',
    )
    .addOption(
      new Option(
        '--sparse <when>',
        'auto (default): keep holes, and make holes of zeros where that is free; always: make holes of all zeros; ' +
          'never',
      ).choices(['auto', 'always', 'never']),
    )
    .addOption(
      new Option(
        '--copier <way>',
        'how to copy the backing file: reflink shares its storage, cp runs cp, extents reads what filefrag lists, ' +
          'read reads all; auto (default) takes the fastest that works',
      ).choices(['auto', ...copiers]),
    )
    .option('--allow-short', 'read allocated sectors beyond the end of the overlay as zeros, as the kernel does')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(addBackingOptions(command)), allForceWords))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow merge cow.node0 merged.img\n  umlcow merge -b root_fs cow.node0 merged.img\n  umlcow ' +
      'merge cow.node0 - | gzip > merged.img.gz\n  umlcow merge -d --keep-siblings cow.node0\n  umlcow merge ' +
      '--resume cow.node0\n\nExit status: 0 done, 1 failed (no new file was left behind; a merge in place can be ' +
      'resumed if the message says so), 4 refused to protect data, 63 not a COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, target: string | undefined, flags: Flags) => {
    const action = unfinishedAction(flags)
    if (action !== null) {
      if (target !== undefined) throw new UmlcowError('USAGE', `merge --${action} takes one file, no target`)
      const foreign = action === 'status' ? ([...notForUnfinished, 'siblingsIn'] as const) : notForUnfinished
      refuseFlags(flags, foreign, (option) => `merge --${action} does not support --${option}`)
      if (!flags.sync) throw new UmlcowError('USAGE', `merge --${action} does not support --no-sync`)
      return finish(await runUnfinished(action, cow, flags, context))
    }
    const optionsOf = (kind: MergeKind) => (kind === 'inPlace' ? forInPlace(flags) : forNewFile(target, flags))
    if (target !== undefined) return finish(await runMerge(cow, target, optionsOf, flags, context))
    if (flags.inPlace && flags.overwrite) throw new UmlcowError('USAGE', 'merge -d does not support --overwrite')
    // Without -d this refuses: a new file has to have a name.
    const options = optionsOf(flags.inPlace ? 'inPlace' : 'newFile')
    finish(await runInPlace(mergeInPlace, cow, options, flags, context))
  })
}

/** @throws UmlcowError USAGE for a flag that a merge in place does not take */
function forInPlace(flags: Flags): InPlaceOptions {
  refuseFlags(flags, notForInPlace, (option) => `a merge in place does not support --${option}`)
  return { ...inPlaceOptions(flags), afterwards: afterwardsOf(flags) }
}

/** @throws UmlcowError USAGE for a flag that a merge into a new file does not take, or a target that is none */
function forNewFile(target: string | undefined, flags: Flags): NewImageOptions {
  if (flags.inPlace) throw new UmlcowError('USAGE', 'merge -d takes no target: it merges into the backing file')
  refuseFlags(flags, notForNewFile, (option) => `--${option} is for merging in place: add -d`)
  return newFileOptions(target, flags)
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
const notForInPlace = ['sparse', 'copier', 'chain'] as const

const notForNewFile = [...inPlaceFlagNames, 'leave', 'reset', 'delete'] as const

/** @throws UmlcowError USAGE when one of the flags is given */
function refuseFlags(flags: Flags, names: readonly (keyof Flags)[], why: (option: string) => string): void {
  const name = names.find((one) => flags[one] !== undefined)
  if (name === undefined) return
  throw new UmlcowError('USAGE', why(name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)))
}
