import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { ForceWord } from '../../machine/findings.js'
import { type RebaseResult, rebaseUnsafe } from '../../verbs/rebase.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addForceOption, addJsonOptions, addPathStyleOptions, type PathStyleFlags, pathStyleOf } from '../options.js'
import { jsonPath } from '../report-info.js'

interface Flags extends CommonFlags, PathStyleFlags {
  readonly unsafe?: boolean
  readonly backing?: string
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
}

export function configureRebase(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<cow>')
    .description(
      'Write another path of the backing file into the header of an overlay. Nothing else of the overlay changes, and ' +
        'no data is looked at: NEW has to hold the very bytes of the old backing file. The modification time in the ' +
        'header stays, so the kernel goes on refusing a file that is not that one, unless --force=mtime.',
    )
    .option('-u, --unsafe', 'header only; rebasing with a copy of what differs is not available in this release')
    .option('-b, --backing <new>', 'the new backing file; stored as typed, unless --relative or --chroot')
    .option('-n, --dry-run', 'check everything, write nothing')
    .option('-q, --quiet', 'print errors only')
  addForceOption(addJsonOptions(addPathStyleOptions(command)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow rebase -u -b /srv/images/root_fs cow.node0\n  umlcow rebase -u --relative -b ../root_fs cow.node0\n' +
      '  umlcow rebase -u --chroot /srv/jail -b /srv/jail/images/root_fs /srv/jail/cow.node0\n' +
      '\nExit status: 0 done, 1 failed, 4 refused to protect data, 63 no COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, flags: Flags) => {
    if (!flags.unsafe) {
      throw new UmlcowError('USAGE', 'rebase needs -u: only the header-only form is available in this release')
    }
    if (flags.backing === undefined) throw new UmlcowError('USAGE', 'rebase needs -b NEW')
    const { force, dryRun } = flags
    const pathStyle = pathStyleOf(flags, { kind: 'asTyped' })
    const result = await rebaseUnsafe(cow, flags.backing, { force, dryRun, pathStyle, signal: context.signal })
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(rebaseDocument(result))
    else if (!flags.quiet) await context.printDone(rebaseText(result))
    finish(exitStatus.done)
  })
}

/** Schema: docs/schema/rebase.json */
function rebaseDocument(result: RebaseResult): unknown {
  return {
    filename: jsonPath(result.path),
    'old-backing-filename': jsonPath(result.oldBackingPath),
    'backing-filename': jsonPath(result.newBackingPath),
    'old-backing-mtime': result.oldMtime,
    'backing-mtime': result.newMtime,
    changed: result.changed,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function rebaseText(result: RebaseResult): string {
  const path = printablePath(result.path)
  const now = printablePath(result.newBackingPath)
  if (!result.changed) return `${path}: its backing file is ${now} already\n`
  return `${path}: backing file ${result.dryRun ? 'would be' : 'is'} ${now}, was ${printablePath(result.oldBackingPath)}\n`
}
