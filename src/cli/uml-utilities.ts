import type { Verb } from './verb.js'

/** Runs with the arguments of a tool. @returns the exit status */
type RunTool = (args: readonly string[], signal: AbortSignal) => Promise<number>

export interface UmlUtility {
  /** The verb that stands in for the tool. */
  readonly name: string
  /** A link to the command with this name does the same. */
  readonly linkName: string
  readonly usage: string
  readonly summary: string
  readonly loadTool: () => Promise<RunTool>
}

/** The tools of uml-utilities that umlcow replaces. */
export const umlUtilities: readonly UmlUtility[] = [
  {
    name: 'moo',
    linkName: 'uml_moo',
    usage: '[-d] [-b BACKING] COW [OUTPUT]',
    summary: 'merge as uml_moo does: same arguments and exit statuses; overwrites OUTPUT',
    loadTool: async () => (await import('./commands/uml-utilities.js')).moo,
  },
  {
    name: 'mkcow',
    linkName: 'uml_mkcow',
    usage: '[-f] COW BACKING',
    summary: 'make an empty overlay as uml_mkcow does: same arguments and exit statuses',
    loadTool: async () => (await import('./commands/uml-utilities.js')).mkcow,
  },
]

/** The verbs of these tools. Nothing of the tools is loaded before one runs. */
export const toolVerbs: readonly Verb[] = umlUtilities.map((tool) => ({
  name: tool.name,
  summary: tool.summary,
  writes: true,
  load: async () => (command, context, finish) => {
    command
      .arguments('[args...]')
      .usage(tool.usage)
      .description(
        `Does what ${tool.linkName} does, with the same arguments, defaults and exit statuses, but without its data ` +
          `losses (see docs/differences.md). A link to umlcow with the name ${tool.linkName} does the same.`,
      )
      .passThroughOptions()
      .allowUnknownOption()
      .action(async (given: string[]) => finish(await (await tool.loadTool())(given, context.signal)))
  },
}))
