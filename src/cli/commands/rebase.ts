import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { ForceWord } from '../../machine/findings.js'
import { type RebaseResult, rebaseUnsafe } from '../../verbs/rebase.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { overlayMeant } from '../mistakes/swapped.js'
import { addForceOption, addJsonOptions, addPathStyleOptions, type PathStyleFlags, pathStyleOf } from '../options.js'
import { jsonPath } from '../reports/backing.js'

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
      'Write another path of the backing file into the header of an overlay. Nothing else in the overlay changes. ' +
        'umlcow does not compare data: NEW must hold the same bytes as the old backing file. The header keeps its ' +
        'modification time, so the kernel still refuses a file with another one. Use --force=mtime to change that ' +
        'time, too.',
    )
    .option('-u, --unsafe', 'change the header only; this release cannot copy the sectors that differ')
    .option(
      '-b, --backing <new>',
      'the new backing file; stored as you type it, unless you give --relative or --chroot',
    )
    .option('-n, --dry-run', 'check everything, write nothing')
    .option('-q, --quiet', 'print errors only')
  addForceOption(addJsonOptions(addPathStyleOptions(command)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow rebase -u -b /srv/images/root_fs cow.node0\n  umlcow rebase -u --relative -b ../root_fs ' +
      'cow.node0\n  umlcow rebase -u --chroot /srv/jail -b /srv/jail/images/root_fs /srv/jail/cow.node0\n\nExit ' +
      'status: 0 done, 1 failed, 4 refused to protect data, 63 not a COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, flags: Flags) => {
    if (!flags.unsafe) {
      const backing = flags.backing === undefined ? ' and -b NEW' : ''
      throw new UmlcowError('USAGE', `rebase needs -u${backing}: this release can change the header only`)
    }
    if (flags.backing === undefined) throw new UmlcowError('USAGE', 'rebase needs -b NEW')
    const { force, dryRun } = flags
    const pathStyle = pathStyleOf(flags, { kind: 'asTyped' })
    const options = { force, dryRun, pathStyle, signal: context.signal }
    const result = await rebaseUnsafe(cow, flags.backing, options).catch(async (error: unknown) => {
      throw await overlayMeant(error, cow)
    })
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
