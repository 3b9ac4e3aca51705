import { Command } from 'commander'
import { addCheck } from './commands/check.js'
import { addCommit } from './commands/commit.js'
import { addCreate } from './commands/create.js'
import { addInfo } from './commands/info.js'
import { addMap } from './commands/map.js'
import { addMerge } from './commands/merge.js'
import { addRebase } from './commands/rebase.js'
import { addReset } from './commands/reset.js'
import { umlUtilities } from './commands/uml-utilities.js'
import type { CliContext } from './context.js'

/** Takes the exit status of a command that has run. */
export type Finish = (status: number) => void

const exitStatusHelp = `
Exit status:
  0    done; check: consistent
  1    failed: an input or output error, or a damaged input
  2    check: damaged
  3    check: waste only
  4    refused to protect data; nothing was changed
  63   not a format this verb handles
  64   wrong usage
  129  stopped by SIGHUP; the inputs are as they were, or a merge in place can be resumed: the message tells
  130  the same by SIGINT
  143  the same by SIGTERM

Sizes take K, M, G, T and P, powers of 1024. "umlcow <verb> --help" tells all about a verb.`

/** The command line, verbs and options; it does nothing until it parses. */
export function createProgram(context: CliContext, finish: Finish, version: string): Command {
  const program = new Command('umlcow')
    .description(
      'Copy-on-write disk images of User-Mode Linux: many machines share one backing file, each keeps its changes in an overlay (a COW file).',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .addHelpText('after', exitStatusHelp)
  addInfo(program, context, finish)
  addMap(program, context, finish)
  addCheck(program, context, finish)
  addCreate(program, context, finish)
  addMerge(program, context, finish)
  addCommit(program, context, finish)
  addReset(program, context, finish)
  addRebase(program, context, finish)
  addUmlUtilities(program, context, finish)
  return program
}

function addUmlUtilities(program: Command, context: CliContext, finish: Finish): void {
  const summaries = {
    moo: ['uml_moo', '[-d] [-b BACKING] COW [OUTPUT]', 'merge, overwriting OUTPUT'],
    mkcow: ['uml_mkcow', '[-f] COW BACKING', 'make an empty overlay'],
  } as const
  for (const [verb, [tool, args, what]] of Object.entries(summaries)) {
    program
      .command(`${verb} [args...]`)
      .usage(args)
      .summary(`${what}: the arguments and exit statuses of ${tool}`)
      .description(
        `Stands in for ${tool}: the same arguments, defaults and exit statuses, without its data losses (see ` +
          `docs/differences.md). A link to umlcow that is called ${tool} does the same.`,
      )
      .passThroughOptions()
      .allowUnknownOption()
      .action(async (given: string[]) =>
        finish(await umlUtilities[verb as keyof typeof umlUtilities].run(given, context.signal)),
      )
  }
}
