import { Command } from 'commander'
import { refuseClosedOutput } from '../machine/processes/standard-descriptors.js'
import { type CliContext, type Finish, wantsJson } from './context.js'
import { exitStatus, statusMeanings } from './exit-status.js'
import { refuseDash, refuseEarlyOptions, refuseEmpty } from './mistakes/refuse-arguments.js'
import type { Verb } from './verb.js'
import { findVerb, verbGroups } from './verbs.js'

const sizeHelp = 'Sizes take K, M, G, T and P, powers of 1024. Run "umlcow VERB --help" for the options of a verb.'

export interface ProgramParts {
  readonly context: CliContext
  readonly finish: Finish
  /** Learns, before the command starts, whether it writes, and its exit status for a failure. */
  readonly onStart: (writes: boolean, failedStatus: number) => void
  readonly readVersion: () => string
  /** Takes the help. */
  readonly writeOut: (text: string) => void
  /** The first word of the command line. If it is a verb, the program has no other verbs. */
  readonly wanted: string | undefined
}

/** The command line with its verbs. A verb is loaded, and gets its options, when the command line names it. */
export function createProgram(parts: ProgramParts): Command {
  const { wanted } = parts
  const program = new Command('umlcow')
    .description(
      'Copy-on-write disk images of User-Mode Linux: many machines share one backing file, and each keeps its ' +
        'changes in an overlay (a COW file).',
    )
    .helpOption('-h, --help', 'print help')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .configureOutput({ outputError: () => {}, writeOut: parts.writeOut })
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .addHelpText('after', exitStatusHelp)
  const isOne = wanted !== undefined && findVerb(wanted) !== undefined
  if (!isOne) program.version(parts.readVersion(), '-V, --version', 'print the version')
  if (wanted === '--version' || wanted === '-V') return program
  const verbOf = new Map<Command, Verb>()
  for (const { title, verbs } of verbGroups) {
    program.commandsGroup(`${title}:`)
    addVerbs(program, isOne ? verbs.filter(({ name }) => name === wanted) : verbs, verbOf)
  }
  program.helpCommand(false)
  for (const parent of [program, ...verbOf.keys()]) {
    parent.hook('preSubcommand', async (_, command) => {
      refuseEarlyOptions(parent, command)
      const configure = await verbOf.get(command)?.load()
      configure?.(command, parts.context, parts.finish)
    })
  }
  return program.hook('preAction', (_, command) => {
    const verb = verbOf.get(command)
    parts.onStart(writes(verb, command), verb?.failedStatus ?? exitStatus.failed)
    refuseEmpty(command)
    refuseDash(command, verb?.dash)
    if (wantsJson(command.opts())) refuseClosedOutput()
  })
}

/** Adds verbs by name and summary only. */
function addVerbs(parent: Command, verbs: readonly Verb[], verbOf: Map<Command, Verb>): void {
  for (const verb of verbs) {
    const command = parent.command(verb.name).summary(verb.summary)
    verbOf.set(command, verb)
    if (verb.actions !== undefined) addVerbs(command, verb.actions, verbOf)
  }
}

function writes(verb: Verb | undefined, command: Command): boolean {
  if (typeof verb?.writes === 'function') return verb.writes(command.opts(), command.args)
  return verb?.writes === true
}

function exitStatusHelp(): string {
  const lines = statusMeanings.map(([status, meaning]) => `  ${String(status).padEnd(4)} ${meaning}`)
  return ['', 'Exit status:', ...lines, '', sizeHelp].join('\n')
}
