import { Argument, InvalidArgumentError } from 'commander'
import { UmlcowError } from '../../errors.js'
import type { CliContext } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addHumfsForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import type { Configure } from '../verb.js'
import type { RestoreFlags } from './humfs-restore.js'

interface Flags extends RestoreFlags {
  readonly repair?: boolean
}

const actions = ['restore', 'info', 'check'] as const

type Action = (typeof actions)[number]

const description =
  'info shows the superblock and counts the names of each type. check finds out whether data and metadata fit ' +
  'together, by the rules of the kernels 2.4 and 2.6, for no kernel of today mounts humfs; its exit status is 0 ' +
  'consistent, 2 damaged, 3 consistent with wasted space. restore does the same as "umlcow humfsify -r". import and ' +
  'export have a help of their own: run "umlcow humfs import --help". DIR is the current directory by default.'

/** @param allActions  those with options of their own, too */
export function configureHumfs(allActions: readonly string[]): Configure {
  return (command, context, finish) => {
    command
      .addArgument(new Argument('<action>', 'restore, info or check').argParser(actionOf(allActions)))
      .addArgument(new Argument('[dir]', 'the directory that holds data/').default('.', 'the current one'))
      .description(description)
      .option('--repair', 'check: repair what can be repaired safely')
      .option('--no-sync', 'restore: skip every fsync')
      .option('-n, --dry-run', 'restore, check --repair: check everything, change nothing')
    addProgressOptions(addHumfsForceOption(addJsonOptions(command), ['damage']))
    command.addHelpText('after', '\nExamples:\n  umlcow humfs check --repair /srv/uml/root\n  umlcow humfs info')
    // Verbs below this one have options of their own.
    command.enablePositionalOptions().helpCommand(false)
    command.action(async (action: Action, directory: string, flags: Flags) => {
      refuseForeign(action, flags)
      finish(await run(action, directory, flags, context))
    })
  }
}

function actionOf(allActions: readonly string[]): (text: string) => Action {
  return (text) => {
    const action = actions.find((one) => one === text)
    if (action !== undefined) return action
    throw new InvalidArgumentError(`Allowed choices are ${allActions.join(', ')}.`)
  }
}

function refuseForeign(action: Action, flags: Flags): void {
  if (flags.repair && action !== 'check') throw new UmlcowError('USAGE', `humfs ${action} does not support --repair`)
  if (flags.force && action !== 'restore') throw new UmlcowError('USAGE', `humfs ${action} does not support --force`)
  if (!flags.sync && action !== 'restore') throw new UmlcowError('USAGE', `humfs ${action} does not support --no-sync`)
  if (flags.dryRun && action === 'info') throw new UmlcowError('USAGE', 'humfs info does not support --dry-run')
}

/** Loads an action when it runs: `humfs export` and `humfs import` need none of them. @returns the exit status */
async function run(action: Action, directory: string, flags: Flags, context: CliContext): Promise<number> {
  if (action === 'restore') {
    const { runRestore } = await import('./humfs-restore.js')
    await runRestore(directory, flags, context)
    return exitStatus.done
  }
  const { runCheck, runInfo } = await import('./humfs-look.js')
  if (action === 'check') return runCheck(directory, flags, context)
  await runInfo(directory, flags, context)
  return exitStatus.done
}
