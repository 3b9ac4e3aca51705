import type { Verb } from './verb.js'

/** Runs with the arguments of a tool. @returns the exit status */
type RunTool = (args: readonly string[], signal: AbortSignal) => Promise<number>

export interface UmlUtility {
  /** The verb that stands in for the tool. */
  readonly name: string
  /** A link to the command with this name does the same. */
  readonly linkName: string
  readonly usage: string
  readonly arguments: string
  readonly options: readonly (readonly [flags: string, meaning: string])[]
  readonly summary: string
  readonly loadTool: () => Promise<RunTool>
}

/** The tools of uml-utilities that umlcow replaces. */
export const umlUtilities: readonly UmlUtility[] = [
  {
    name: 'moo',
    linkName: 'uml_moo',
    usage: '[-d] [-b BACKING] COW [OUTPUT]',
    arguments: '<cow> [output]',
    options: [
      ['-d', 'merge into the backing file, and keep every byte of the overlay'],
      ['-b <backing>', 'use this backing file, not the one in the header'],
    ],
    summary: 'merge as uml_moo does: same arguments and exit statuses; overwrites OUTPUT',
    loadTool: async () => (await import('./commands/uml-utilities.js')).moo,
  },
  {
    name: 'mkcow',
    linkName: 'uml_mkcow',
    usage: '[-f] COW BACKING',
    arguments: '<cow> <backing>',
    options: [['-f', 'replace COW, even if it is no overlay, by an empty overlay']],
    summary: 'make an empty overlay as uml_mkcow does: same arguments and exit statuses',
    loadTool: async () => (await import('./commands/uml-utilities.js')).mkcow,
  },
]

/** The verbs of these tools, for the help. Commander never runs them: the tools parse their own arguments. */
export const toolVerbs: readonly Verb[] = umlUtilities.map((tool) => ({
  name: tool.name,
  summary: tool.summary,
  writes: true,
  load: async () => (command) => {
    command
      .arguments(tool.arguments)
      .usage(tool.usage)
      .description(
        `Does what ${tool.linkName} does, with the same arguments, defaults and exit statuses, but without its data ` +
          `losses (see docs/differences.md). A link to umlcow with the name ${tool.linkName} does the same.`,
      )
    for (const [flags, meaning] of tool.options) command.option(flags, meaning)
  },
}))
