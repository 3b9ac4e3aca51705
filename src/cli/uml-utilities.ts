/** Runs with the arguments of a tool. @returns the exit status */
type RunTool = (args: readonly string[], signal: AbortSignal) => Promise<number>

export interface UmlUtility {
  /** A link of this name to the command does the same. */
  readonly linkName: string
  readonly usage: string
  readonly summary: string
  readonly load: () => Promise<RunTool>
}

/** The verbs that stand in for a tool of uml-utilities. */
export const umlUtilities: Record<'moo' | 'mkcow', UmlUtility> = {
  moo: {
    linkName: 'uml_moo',
    usage: '[-d] [-b BACKING] COW [OUTPUT]',
    summary: 'merge, overwriting OUTPUT',
    load: async () => (await import('./commands/uml-utilities.js')).moo,
  },
  mkcow: {
    linkName: 'uml_mkcow',
    usage: '[-f] COW BACKING',
    summary: 'make an empty overlay',
    load: async () => (await import('./commands/uml-utilities.js')).mkcow,
  },
}
