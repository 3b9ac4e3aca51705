import type { Command } from 'commander'

/** Describes `help`. It never runs: umlcow replaces it by the `--help` of the verb. */
export function configureHelp(command: Command): void {
  command
    .arguments('[verb] [action]')
    .description('Print help for a verb, or for an action of a verb. Without a verb, print the list of verbs.')
    .addHelpText('after', '\nExamples:\n  umlcow help merge\n  umlcow help humfs export')
}
