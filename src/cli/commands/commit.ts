import type { Command } from 'commander'
import { mergeInPlace } from '../../verbs/merge/in-place/merge-in-place.js'
import type { InPlaceOptions } from '../../verbs/merge/in-place/options.js'
import type { CliContext, CommonFlags, Finish } from '../context.js'
import { addInPlaceOptions, type InPlaceFlags, inPlaceOptions, runInPlace } from '../in-place.js'
import { addForceOption, addJsonOptions, addProgressOptions, inPlaceForceWords } from '../options.js'

interface Flags extends CommonFlags, InPlaceFlags, Omit<InPlaceOptions, 'signal' | 'files' | 'onProgress'> {
  readonly sync: boolean
}

export function configureCommit(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<cow>')
    .description(
      'Merge an overlay into its backing file, then empty the overlay, so that its machine can go on with it. The ' +
        'same as merge -d --reset.',
    )
    .option('-b, --backing <file>', 'use this backing file; the path in the header must lead to the same file')
    .option('--backing-root <dir>', 'look up the path in the header inside this directory, as in a chroot jail')
  addInPlaceOptions(command)
    .option('--allow-short', 'read allocated sectors beyond the end of the overlay as zeros, as the kernel does')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(command), inPlaceForceWords))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow commit cow.node0\n  umlcow commit --keep-siblings cow.node0\n\nExit status: 0 done, 1 ' +
      'failed (if the message says so, "umlcow merge --resume" finishes the merge), 4 refused to protect data, 63 ' +
      'not a COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, flags: Flags) => {
    const options: InPlaceOptions = { ...inPlaceOptions(flags), afterwards: 'reset' }
    finish(await runInPlace(mergeInPlace, cow, options, flags, context))
  })
}
