import { Command } from 'commander'
import type { CliContext } from './context.js'
import { umlUtilities } from './uml-utilities.js'

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

type AddVerb = (program: Command, context: CliContext, finish: Finish) => void

/** The verbs in the order of the help, each loaded when it is wanted: start-up is most of what a short command takes. */
const verbs: Record<string, () => Promise<AddVerb>> = {
  info: async () => (await import('./commands/info.js')).addInfo,
  map: async () => (await import('./commands/map.js')).addMap,
  check: async () => (await import('./commands/check.js')).addCheck,
  create: async () => (await import('./commands/create.js')).addCreate,
  merge: async () => (await import('./commands/merge.js')).addMerge,
  commit: async () => (await import('./commands/commit.js')).addCommit,
  reset: async () => (await import('./commands/reset.js')).addReset,
  rebase: async () => (await import('./commands/rebase.js')).addRebase,
  humfsify: async () => (await import('./commands/humfsify.js')).addHumfsify,
  humfs: async () => (await import('./commands/humfs.js')).addHumfs,
}

/**
 * The command line, verbs and options; it does nothing until it parses.
 *
 * @param wanted  the verb that is going to be run: the others are left out. Where it is none, all are there.
 */
export async function createProgram(
  context: CliContext,
  finish: Finish,
  readVersion: () => string,
  wanted: string | undefined,
): Promise<Command> {
  const program = new Command('umlcow')
    .description(
      'Copy-on-write disk images of User-Mode Linux: many machines share one backing file, each keeps its changes in an overlay (a COW file).',
    )
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .addHelpText('after', exitStatusHelp)
  const isVerb = wanted !== undefined && Object.hasOwn(verbs, wanted)
  if (!isVerb) program.version(readVersion(), '-V, --version', 'print the version')
  if (wanted === '--version' || wanted === '-V') return program
  const loaders = isVerb ? [verbs[wanted]!] : Object.values(verbs)
  for (const load of loaders) (await load())(program, context, finish)
  if (loaders.length > 1) addUmlUtilities(program, context, finish)
  return program
}

function addUmlUtilities(program: Command, context: CliContext, finish: Finish): void {
  for (const [verb, tool] of Object.entries(umlUtilities)) {
    program
      .command(`${verb} [args...]`)
      .usage(tool.usage)
      .summary(`${tool.summary}: the arguments and exit statuses of ${tool.linkName}`)
      .description(
        `Stands in for ${tool.linkName}: the same arguments, defaults and exit statuses, without its data losses (see ` +
          `docs/differences.md). A link to umlcow that is called ${tool.linkName} does the same.`,
      )
      .passThroughOptions()
      .allowUnknownOption()
      .action(async (given: string[]) => finish(await (await tool.load())(given, context.signal)))
  }
}
